/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* fault.h: failures on purpose, for tests. */
#ifndef XEN_USERPTR_FAULT_H
#define XEN_USERPTR_FAULT_H

#include <linux/types.h>

/* True once, at the call that the parameter fail_nth names. Any context. */
#ifdef XU_FAULT_INJECTION
bool xu_fault(void);
#else
static inline bool xu_fault(void) { return false; }
#endif

#endif /* XEN_USERPTR_FAULT_H */
