/* SPDX-License-Identifier: MIT */
/* cmocka with the headers that it wants before it. */
#ifndef CM_H
#define CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif /* CM_H */
