// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What people read: fdinfo of an open file (drm-usage-stats keys) and debugfs
 * files of a device: "counters" and "vram".
 */
#include <linux/seq_file.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_print.h>

#include "softgpu.h"

static const char * const engine_names[SG_ENGINES] = {
	[DRM_SOFTGPU_ENGINE_COMPUTE] = "compute",
	[DRM_SOFTGPU_ENGINE_COPY] = "copy",
};

/* Of VMs that still have a name, and of those that had one. */
static u64 file_engine_ns(struct sg_file *sfile, unsigned int engine)
{
	u64 ns = atomic64_read(&sfile->engine_ns[engine]);
	unsigned long id;
	struct sg_vm *vm;

	xa_lock(&sfile->vms);
	xa_for_each(&sfile->vms, id, vm)
		ns += atomic64_read(&vm->engine_ns[engine]);
	xa_unlock(&sfile->vms);
	return ns;
}

void sg_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct sg_file *sfile = file->driver_priv;
	unsigned int i;

	for (i = 0; i < SG_ENGINES; i++)
		drm_printf(p, "drm-engine-%s:\t%llu ns\n", engine_names[i],
			   file_engine_ns(sfile, i));
	drm_show_memory_stats(p, file);
}

#define COUNTER_NAME(field) [SG_COUNTER(field)] = #field

static const char * const counter_names[SG_NUM_COUNTERS] = {
	COUNTER_NAME(accesses),
	COUNTER_NAME(read_bytes),
	COUNTER_NAME(written_bytes),
	COUNTER_NAME(faults),
	COUNTER_NAME(tlb_hits),
	COUNTER_NAME(tlb_misses),
	COUNTER_NAME(tlb_flushes),
	COUNTER_NAME(use_after_invalidate),
	COUNTER_NAME(ptes_written),
	COUNTER_NAME(ptes_cleared),
	COUNTER_NAME(jobs_submitted),
	COUNTER_NAME(jobs_done),
	COUNTER_NAME(jobs_failed),
	COUNTER_NAME(preemptions),
	COUNTER_NAME(stops),
	COUNTER_NAME(evictions),
	COUNTER_NAME(validations),
	COUNTER_NAME(notifier_calls),
	COUNTER_NAME(move_notifies),
	COUNTER_NAME(vms),
	COUNTER_NAME(mappings),
	COUNTER_NAME(imports),
	COUNTER_NAME(objects),
	COUNTER_NAME(pt_pages),
};

static struct sg_device *seq_device(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return to_sg_device(entry->dev);
}

static int counters_show(struct seq_file *m, void *unused)
{
	struct sg_device *sdev = seq_device(m);
	unsigned int i;

	for (i = 0; i < SG_NUM_COUNTERS; i++)
		if (counter_names[i])
			seq_printf(m, "%s %lld\n", counter_names[i],
				   (long long)atomic64_read(&sdev->counters[i]));
	seq_printf(m, "switches %#x\n", atomic_read(&sdev->switches));
	return 0;
}

static int vram_show(struct seq_file *m, void *unused)
{
	struct sg_device *sdev = seq_device(m);
	struct drm_printer p = drm_seq_file_printer(m);

	mutex_lock(&sdev->vram.lock);
	drm_mm_print(&sdev->vram.mm, &p);
	drm_printf(&p, "used %llu of %llu\n", sdev->vram.used,
		   sdev->vram.size);
	mutex_unlock(&sdev->vram.lock);
	return 0;
}

void sg_debugfs_init(struct sg_device *sdev)
{
	drm_debugfs_add_file(&sdev->drm, "counters", counters_show, NULL);
	drm_debugfs_add_file(&sdev->drm, "vram", vram_show, NULL);
}
