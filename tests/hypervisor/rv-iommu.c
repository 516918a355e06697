// SPDX-License-Identifier: MIT
/*
 * Preloaded into xl: gives each domain that it creates an IOMMU, as if a device were
 * to be passed through. xl itself refuses that for PVH guests, and HVM guests do not
 * start on the rig.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenctrl.h>

int xc_domain_create(xc_interface *xch, uint32_t *domid, struct xen_domctl_createdomain *config)
{
	int (*create)(xc_interface *, uint32_t *, struct xen_domctl_createdomain *);

	*(void **)&create = dlsym(RTLD_NEXT, "xc_domain_create");
	if (!create) {
		fprintf(stderr, "rv-iommu: %s\n", dlerror());
		exit(1);
	}
	config->flags |= XEN_DOMCTL_CDF_iommu;
	return create(xch, domid, config);
}
