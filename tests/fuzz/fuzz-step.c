// SPDX-License-Identifier: MIT
/*
 * Lives of a core from the input's octets: requests right and wrong, answers
 * in any order, failures, stray events. The fake checks each op, core_check()
 * runs after each step, and after a life without -EPROTO nothing may be left.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "actions.h"
#include "fake.h"

/* Every 16th action is hostile; false: the connection is over. */
static bool one_action(struct fake *fake, struct source *src)
{
	struct xen_userptrif_req quiesce;
	int ret;

	if (source_below(src, 16) != 15) {
		action_honest(fake, src);
		return true;
	}
	ret = action_hostile(fake, src);
	if (ret != -EPROTO)
		return true;
	quiesce = fake_req(XENUSERPTR_OP_QUIESCE, 9999);
	FAKE_ASSERT(fake_request(fake, &quiesce) == -EPROTO);
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xen_userptrif_bind_op list[16];
	struct source src = { .data = data, .left = size };
	struct fake *fake = fake_new(&actions_limits, NULL);
	bool alive = true;

	while (alive && !source_empty(&src)) {
		fake->any_list = list;
		alive = one_action(fake, &src);
	}
	if (alive)
		actions_end(fake);
	fake_free(fake);
	return 0;
}
