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

# $(call install_man,SECTION,PAGE...): a page may name the directory of the programs.
define install_man
install -d $(DESTDIR)$(MANDIR)/man$(1)
for page in $(2); do \
	sed 's|@SBINDIR@|$(SBINDIR)|' $(PACKAGING)/$$page.$(1) >$(DESTDIR)$(MANDIR)/man$(1)/$$page.$(1); \
done
endef

# $(call install_dkms,NAME,DIRECTORY): all that the module's Kbuild refers to.
define install_dkms
install -d $(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/$(2) $(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/protocol
install -m 644 $(2)/*.[ch] $(2)/Kbuild $(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/$(2)
install -m 644 $(UAPI) $(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/protocol
sed 's|@VERSION@|$(VERSION)|' $(PACKAGING)/$(1).dkms >$(DESTDIR)$(DKMSDIR)/$(1)-$(VERSION)/dkms.conf
endef

.PHONY: install install-frontend install-backend install-tools modules
install:
	@echo "make install-frontend   in a guest: library, header, driver (DKMS)"
	@echo "make install-backend    in the domain of the GPU: daemon, tool, module (DKMS)"
	@echo "make install-tools      where the toolstack runs, if that is elsewhere: userptrctl"
	@echo "All take DESTDIR= and PREFIX= ($(PREFIX))."

install-frontend: install-lib
	$(call install_man,4,xen_userptr)
	$(call install_man,7,xen-userptr-tracing)
	$(call install_dkms,xen-userptr-front,frontend)

install-tools: $(BUILD)/bin/userptrctl
	install -d $(DESTDIR)$(SBINDIR)
	install -m 755 $< $(DESTDIR)$(SBINDIR)
	$(call install_man,8,userptrctl userptrd)
	$(call install_man,7,xen-userptr-tracing)

install-backend: $(BUILD)/bin/userptrd install-tools
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(UDEVDIR)
	install -m 755 $< $(DESTDIR)$(SBINDIR)
	$(call install_man,4,xen_userptr_back)
	install -m 644 $(PACKAGING)/70-xen-userptr.rules $(DESTDIR)$(UDEVDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|' $(PACKAGING)/xen-userptrd.service.in \
		>$(DESTDIR)$(UNITDIR)/xen-userptrd.service
	$(call install_dkms,xen-userptr-back,backend/kmod)

# Both modules for one kernel, without DKMS.
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR)/frontend modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/backend/kmod modules
