/* SPDX-License-Identifier: MIT */
/*
 * Bounded reads and checked writes of xenstore. Only the broker and the tools
 * talk to xenstore; what they read there may have been written by a guest.
 */
#ifndef XU_STORE_H
#define XU_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

#define STORE_PATH_LEN	256	/* longest path that is built here */
#define STORE_TEXT_LEN	128	/* longest value that is taken */

/**
 * store_read() - a text node below a directory
 * @untrusted_text: (out) zero-terminated
 *
 * Returns 0, -ENOENT, -EINVAL (a zero or control octet in it), -E2BIG (does
 * not fit), or another -errno of the store.
 */
int store_read(struct xs_handle *xs, const char *dir, const char *key,
	       char *untrusted_text, size_t size);

/**
 * store_list() - what is in a directory; one that is not there is empty
 * @untrusted_names: (out) the caller frees it, or NULL
 *
 * Returns 0 or -errno of the store.
 */
int store_list(struct xs_handle *xs, const char *dir, char ***untrusted_names,
	       unsigned int *nr);

/**
 * store_has_failed() - does @ret of a reader say nothing about what is in the store?
 *
 * Else it was read, or it is not there (-ENOENT), or it makes no sense. Who takes a
 * failure for one of these ends what should live.
 */
bool store_has_failed(int ret);

/** store_read_number() - a decimal node, at most @max; also -EINVAL, -ERANGE */
int store_read_number(struct xs_handle *xs, const char *dir, const char *key,
		      uint64_t max, uint64_t *value);

/** store_write() - a text node below a directory; 0 or -errno */
int store_write(struct xs_handle *xs, xs_transaction_t txn, const char *dir,
		const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* One node to write. */
struct store_item {
	const char *key;
	char value[16];
};

/**
 * store_update() - write nodes of a device that still exists
 * @guard: a key of the directory that must be there
 *
 * All or nothing, in a transaction: a device that the toolstack removes at the
 * same moment is not half made again, with other owners. Returns 0, -ENOENT
 * (removed), or -errno.
 */
int store_update(struct xs_handle *xs, const char *dir, const char *guard,
		 const struct store_item *items, unsigned int nr);

/** store_state_name() - of a XenbusState number */
const char *store_state_name(uint64_t state);

/** store_path() - dir "/" key into @path[STORE_PATH_LEN]; 0 or -E2BIG */
int store_path(char *path, const char *dir, const char *key);

#endif /* XU_STORE_H */
