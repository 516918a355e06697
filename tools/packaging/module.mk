# SPDX-License-Identifier: MIT
# What a host or a guest installs. DESTDIR and PREFIX as usual; the sources of the
# modules go where DKMS looks for them, which builds them for each kernel.
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
UDEVDIR ?= $(PREFIX)/lib/udev/rules.d
DKMSDIR ?= /usr/src
KDIR ?= /lib/modules/$(shell uname -r)/build
PACKAGING := tools/packaging
UAPI := $(wildcard protocol/*.h)

# $(call install_dkms,NAME,DIRECTORY): all that the module's Kbuild refers to.
define install_dkms
install -d $(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/$(2) $(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/protocol
install -m 644 $(2)/*.[ch] $(2)/Kbuild $(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/$(2)
install -m 644 $(UAPI) $(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/protocol
sed 's|@VERSION@|$(VERSION)|' $(PACKAGING)/$(1).dkms >$(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/dkms.conf
endef

.PHONY: install install-frontend install-backend modules
install:
	@echo "make install-frontend   in a guest: library, header, driver (DKMS)"
	@echo "make install-backend    in the domain of the GPU: daemon, tool, module (DKMS)"
	@echo "Both take DESTDIR= and PREFIX= ($(PREFIX))."

install-frontend: install-lib
	$(call install_dkms,xen-userptr-front,frontend)

install-backend: $(BUILD)/bin/userptrd $(BUILD)/bin/userptrctl
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(UDEVDIR)
	install -m 755 $^ $(DESTDIR)$(SBINDIR)
	install -m 644 $(PACKAGING)/userptrd.8 $(PACKAGING)/userptrctl.8 $(DESTDIR)$(MANDIR)/man8
	install -m 644 $(PACKAGING)/xen-userptr-tracing.7 $(DESTDIR)$(MANDIR)/man7
	install -m 644 $(PACKAGING)/70-xen-userptr.rules $(DESTDIR)$(UDEVDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|' $(PACKAGING)/xen-userptrd.service.in \
		>$(DESTDIR)$(UNITDIR)/xen-userptrd.service
	$(call install_dkms,xen-userptr-back,backend/kmod)

# Both modules for one kernel, without DKMS.
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR)/frontend modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/backend/kmod modules
