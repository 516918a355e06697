# SPDX-License-Identifier: MIT
XUPTR_SOURCES := $(addprefix frontend/lib/,device.c object.c fence.c lost.c)
XUPTR_OBJECTS := $(XUPTR_SOURCES:frontend/lib/%.c=$(BUILD)/lib/%.o)
XUPTR_CFLAGS = -std=gnu11 -O2 -g -fPIC $(WARN) -Iprotocol -Ifrontend/lib \
	$(shell pkg-config --cflags libdrm)
XUPTR_LIBS = $(shell pkg-config --libs libdrm)

ALL_TARGETS += $(BUILD)/lib/libxenuserptr.a $(BUILD)/lib/libxenuserptr.so.0
CHECK_TARGETS += check-lib

$(BUILD)/lib/%.o: frontend/lib/%.c $(wildcard frontend/lib/*.h protocol/*.h)
	@mkdir -p $(@D)
	$(CC) $(XUPTR_CFLAGS) -c -o $@ $<

$(BUILD)/lib/libxenuserptr.a: $(XUPTR_OBJECTS)
	$(AR) rcs $@ $^

$(BUILD)/lib/libxenuserptr.so.0: $(XUPTR_OBJECTS) frontend/lib/libxenuserptr.map
	$(CC) -shared -Wl,-soname,libxenuserptr.so.0 -Wl,-z,defs \
		-Wl,--version-script=frontend/lib/libxenuserptr.map \
		-o $@ $(XUPTR_OBJECTS) $(XUPTR_LIBS)

# The calls are counted and failed one after the other by --wrap.
$(BUILD)/test-lib: frontend/lib/test_lib.c $(XUPTR_SOURCES) $(wildcard frontend/lib/*.h)
	@mkdir -p $(@D)
	$(CC) $(XUPTR_CFLAGS) -fsanitize=address,undefined -Wl,--wrap=drmIoctl \
		-Wl,--wrap=calloc -o $@ frontend/lib/test_lib.c $(XUPTR_SOURCES) \
		$(XUPTR_LIBS) -lcmocka

.PHONY: check-lib install-lib
check-lib: $(BUILD)/test-lib $(BUILD)/lib/libxenuserptr.so.0 $(BUILD)/lib/libxenuserptr.a
	@$(BUILD)/test-lib

install-lib: $(BUILD)/lib/libxenuserptr.a $(BUILD)/lib/libxenuserptr.so.0
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/drm
	$(call install_man,3,libxenuserptr)
	install -m 644 frontend/lib/xenuserptr.h $(DESTDIR)$(PREFIX)/include
	install -m 644 protocol/xen_userptr_drm.h $(DESTDIR)$(PREFIX)/include/drm
	install -m 644 $(BUILD)/lib/libxenuserptr.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(BUILD)/lib/libxenuserptr.so.0 $(DESTDIR)$(PREFIX)/lib
	ln -sf libxenuserptr.so.0 $(DESTDIR)$(PREFIX)/lib/libxenuserptr.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' frontend/lib/xenuserptr.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/xenuserptr.pc
