// SPDX-License-Identifier: MIT
/* Which GPUs may be of one device. */
#include "cm.h"

#include <errno.h>
#include <string.h>

#include "gpu.h"

/* What each of two "nodes" says. */
static struct core_gpu says[2];
static struct gpu_caps can[2];
static int fails;		/* node whose info() fails, or -1 */

static int test_info(int node, struct core_gpu *gpu, struct gpu_caps *caps)
{
	if (node == fails)
		return -ENODEV;
	*gpu = says[node];
	*caps = can[node];
	return 0;
}

static const struct gpu_ops ops = { .driver = "test", .info = test_info };

static int compare_setup(void **state)
{
	int i;

	(void)state;
	fails = -1;
	for (i = 0; i < 2; i++) {
		says[i] = (struct core_gpu){
			.va_start = 0x1000, .va_end = 1ULL << 40,
			.page_sizes = 1 << 12, .features = 3,
			.nr_engines = 2, .va_bits = 40,
		};
		can[i] = (struct gpu_caps){ .max_bind_ops = 64,
					    .preempt = true, .kill = true,
					    .vram_page = 4096 };
	}
	return 0;
}

static void name_and_vram_may_differ(void **state)
{
	(void)state;
	strcpy(says[1].name, "another");
	says[1].vram_total = 1 << 20;
	assert_int_equal(gpu_compare(&ops, 0, 1), 0);
}

#define DIFFERS(statement) do { \
	compare_setup(state); \
	statement; \
	assert_int_equal(gpu_compare(&ops, 0, 1), -EXDEV); \
	assert_int_equal(gpu_compare(&ops, 1, 0), -EXDEV); \
} while (0)

static void all_else_may_not(void **state)
{
	DIFFERS(says[1].va_start = 0x2000);
	DIFFERS(says[1].va_end = 1ULL << 39);
	DIFFERS(says[1].page_sizes |= 1 << 16);
	DIFFERS(says[1].features = 1);
	DIFFERS(says[1].nr_engines = 1);
	DIFFERS(says[1].va_bits = 39);
	DIFFERS(can[1].max_bind_ops = 32);
	DIFFERS(can[1].preempt = false);
	DIFFERS(can[1].kill = false);
	DIFFERS(can[1].vram_page = 65536);
}

static void one_does_not_answer(void **state)
{
	(void)state;
	for (fails = 0; fails < 2; fails++)
		assert_int_equal(gpu_compare(&ops, 0, 1), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(name_and_vram_may_differ, compare_setup),
		cmocka_unit_test_setup(all_else_may_not, compare_setup),
		cmocka_unit_test_setup(one_does_not_answer, compare_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
