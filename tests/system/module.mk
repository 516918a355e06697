# SPDX-License-Identifier: MIT
# Programs of the system tests; they run in dom0 or in a guest of the rig.
DRM_CFLAGS = $(shell pkg-config --cflags libdrm)
DRM_LIBS = $(shell pkg-config --libs libdrm)

UT_SOURCES := $(addprefix tests/system/,userptr_test.c ut.c ut_create.c ut_bind.c \
	ut_exec.c ut_limits.c ut_mem.c ut_memory.c ut_process.c ut_va.c ut_style.c ut_async.c \
	ut_blits.c ut_share.c ut_gpus.c \
	ut_mm.c ut_stress.c ut_fail.c ut_apart.c gpu_cmd.c)
# Built by the rig only: the host's headers may lack drm/vgem_drm.h.
RIG_PROGRAMS += $(BUILD)/bin/userptr-test

$(BUILD)/bin/userptr-test: $(UT_SOURCES) $(wildcard tests/system/*.h protocol/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -pthread -Iprotocol -Itests/softgpu $(DRM_CFLAGS) \
		-o $@ $(UT_SOURCES) $(DRM_LIBS)

RIG_PROGRAMS += $(BUILD)/bin/main-job
CHECK_TARGETS += $(BUILD)/bin/main-job

$(BUILD)/bin/main-job: tests/system/main_job.c tests/system/program.h tests/system/gpu_cmd.c $(BUILD)/lib/libxenuserptr.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -ffp-contract=off -Ifrontend/lib -Itests/softgpu \
		-Itests/system -o $@ $(filter %.c %.a,$^) $(DRM_LIBS)

RIG_PROGRAMS += $(BUILD)/bin/long-job
CHECK_TARGETS += $(BUILD)/bin/long-job

$(BUILD)/bin/long-job: tests/system/long_job.c tests/system/program.h tests/system/gpu_cmd.c $(BUILD)/lib/libxenuserptr.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -Ifrontend/lib -Itests/softgpu -Itests/system \
		-o $@ $(filter %.c %.a,$^) $(DRM_LIBS)

RIG_PROGRAMS += $(BUILD)/bin/softgpu-counters
CHECK_TARGETS += $(BUILD)/bin/softgpu-counters

$(BUILD)/bin/softgpu-counters: tests/system/softgpu_counters.c tests/softgpu/softgpu_drm.h tests/system/drm_node.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -Itests/softgpu $(DRM_CFLAGS) -o $@ $< $(DRM_LIBS)

RIG_PROGRAMS += $(BUILD)/bin/bench-userptr
CHECK_TARGETS += $(BUILD)/bin/bench-userptr

$(BUILD)/bin/bench-userptr: tests/system/bench_userptr.c tests/system/program.h $(BUILD)/lib/libxenuserptr.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -Ifrontend/lib -o $@ $(filter %.c %.a,$^) $(DRM_LIBS)

RIG_PROGRAMS += $(BUILD)/bin/bench-gnttab

$(BUILD)/bin/bench-gnttab: tests/system/bench_gnttab.c tests/system/program.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -o $@ $< -lxengnttab

RIG_PROGRAMS += $(BUILD)/bin/bench-evtchn

$(BUILD)/bin/bench-evtchn: tests/system/bench_evtchn.c tests/system/program.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -o $@ $< -lxenevtchn

RIG_PROGRAMS += $(BUILD)/bin/store-storm

$(BUILD)/bin/store-storm: tests/system/store_storm.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -o $@ $< -lxenstore

RIG_PROGRAMS += $(BUILD)/bin/va-diff
CHECK_TARGETS += $(BUILD)/bin/va-diff

$(BUILD)/bin/va-diff: tests/system/va_diff.c $(CORE_LIB) tests/softgpu/softgpu_drm.h tests/system/drm_node.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -Itests/softgpu -Itests/system -Itests/unit -I$(CORE_DIR) -Iprotocol \
		$(DRM_CFLAGS) -o $@ $< $(CORE_LIB) $(DRM_LIBS)

RIG_PROGRAMS += $(BUILD)/bin/bench-va
CHECK_TARGETS += $(BUILD)/bin/bench-va

$(BUILD)/bin/bench-va: tests/system/bench_va.c tests/system/program.h tests/system/gpu_cmd.c $(BUILD)/lib/libxenuserptr.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -Ifrontend/lib -Itests/softgpu -Itests/system \
		-o $@ $(filter %.c %.a,$^) $(DRM_LIBS)

CHECKER := tests/system/checker.c tests/system/checker.h

RIG_PROGRAMS += $(BUILD)/bin/migrate-guest
CHECK_TARGETS += $(BUILD)/bin/migrate-guest

$(BUILD)/bin/migrate-guest: tests/system/migrate_guest.c $(CHECKER) tests/system/program.h tests/system/gpu_cmd.c $(BUILD)/lib/libxenuserptr.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -pthread -Ifrontend/lib -Itests/softgpu -Itests/system \
		-o $@ $(filter %.c %.a,$^) $(DRM_LIBS)

RIG_PROGRAMS += $(BUILD)/bin/migrate-restart
CHECK_TARGETS += $(BUILD)/bin/migrate-restart

$(BUILD)/bin/migrate-restart: tests/system/migrate_restart.c $(CHECKER) tests/system/program.h tests/system/gpu_cmd.c $(BUILD)/lib/libxenuserptr.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -pthread -Ifrontend/lib -Itests/softgpu -Itests/system \
		-o $@ $(filter %.c %.a,$^) $(DRM_LIBS)

RIG_PROGRAMS += $(BUILD)/bin/bench-vram
CHECK_TARGETS += $(BUILD)/bin/bench-vram

$(BUILD)/bin/bench-vram: tests/system/bench_vram.c tests/softgpu/sgt.c tests/softgpu/sgt.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -Itests/softgpu -Itests/system $(DRM_CFLAGS) \
		-o $@ $(filter %.c,$^) $(DRM_LIBS)

# Programs on mm.c.
define MM_PROGRAM
RIG_PROGRAMS += $(BUILD)/bin/$(1)
CHECK_TARGETS += $(BUILD)/bin/$(1)

$(BUILD)/bin/$(1): $(addprefix tests/system/,$(2) mm.c mm.h program.h gpu_cmd.c) $(BUILD)/lib/libxenuserptr.a
	@mkdir -p $$(@D)
	$$(CC) -std=gnu11 -O2 -g $$(WARN) -pthread -Ifrontend/lib -Itests/softgpu -Itests/system \
		-o $$@ $$(filter %.c %.a,$$^) $$(DRM_LIBS)
endef

$(eval $(call MM_PROGRAM,bench-touch,bench_touch.c))
$(eval $(call MM_PROGRAM,migrate-memory,migrate_memory.c))
$(eval $(call MM_PROGRAM,migrate-shared,migrate_shared.c))
$(eval $(call MM_PROGRAM,migrate-pressure,migrate_pressure.c checker.c checker.h))
$(eval $(call MM_PROGRAM,migrate-gpus,migrate_gpus.c checker.c checker.h))
$(eval $(call MM_PROGRAM,migrate-binds,migrate_binds.c))
$(eval $(call MM_PROGRAM,migrate-hints,migrate_hints.c))
$(eval $(call MM_PROGRAM,migrate-hostile,migrate_hostile.c))
