/* SPDX-License-Identifier: MIT */
/*
 * uthash for processes that must survive a lack of memory: without this it
 * ends the program. After HASH_ADD ask hash_added().
 */
#ifndef XU_HASH_H
#define XU_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* An element that was not added has no table. */
#define hash_added(element) ((element)->hh.tbl != NULL)

#endif /* XU_HASH_H */
