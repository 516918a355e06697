/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* fault.h: failures on purpose, for tests. */
#ifndef XEN_USERPTR_FAULT_H
#define XEN_USERPTR_FAULT_H

#include <linux/types.h>

/* True once, at the call that the parameter fail_nth names. Any context. */
bool xu_fault(void);

#endif /* XEN_USERPTR_FAULT_H */
