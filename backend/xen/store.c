// SPDX-License-Identifier: MIT
/*
 * Reads and writes xenstore nodes. Every length has a limit, since a guest
 * can write whatever it likes into its own half of a device.
 */
#include "store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

/* A transaction that somebody else's change has spoilt is made again. */
#define STORE_MAX_TRIES	20

int store_path(char *path, const char *dir, const char *key)
{
	int used = snprintf(path, STORE_PATH_LEN, "%s/%s", dir, key);

	return used < 0 || used >= STORE_PATH_LEN ? -E2BIG : 0;
}

/* Is it text without control octets, and nothing behind its end? */
static int store_check_text(const char *untrusted_text, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		if ((unsigned char)untrusted_text[i] < ' ' ||
		    untrusted_text[i] == 0x7f)
			return -EINVAL;
	return 0;
}

bool store_has_failed(int ret)
{
	switch (-ret) {
	case 0:
	case ENOENT:
	/* It is there, and is not what it should be: also of who makes sense of it. */
	case EINVAL:
	case E2BIG:
	case ERANGE:
	case EEXIST:
	case EPROTONOSUPPORT:
	/*
	 * Who is not domain 0 may not look where a domain was, nor at what a guest
	 * hides: an answer, as lasting as any.
	 */
	case EACCES:
		return false;
	default:
		return true;
	}
}

/* -errno of a read that failed, but -EIO for what would say that the text is wrong. */
static int store_error(void)
{
	return errno == ENOENT || errno == EACCES || store_has_failed(-errno) ?
	       -errno : -EIO;
}

int store_read(struct xs_handle *xs, const char *dir, const char *key,
	       char *untrusted_text, size_t size)
{
	char path[STORE_PATH_LEN];
	unsigned int len;
	char *value;
	int ret;

	ret = store_path(path, dir, key);
	if (ret)
		return ret;
	value = xs_read(xs, XBT_NULL, path, &len);
	if (!value)
		return store_error();
	if (len >= size) {
		free(value);
		return -E2BIG;
	}
	ret = store_check_text(value, len);
	if (!ret) {
		memcpy(untrusted_text, value, len);
		untrusted_text[len] = '\0';
	}
	free(value);
	return ret;
}

int store_read_number(struct xs_handle *xs, const char *dir, const char *key,
		      uint64_t max, uint64_t *value)
{
	char untrusted_text[24];
	int ret;

	ret = store_read(xs, dir, key, untrusted_text, sizeof(untrusted_text));
	if (ret)
		return ret == -E2BIG ? -ERANGE : ret;
	return number_parse(untrusted_text, max, value);
}

int store_write(struct xs_handle *xs, xs_transaction_t txn, const char *dir,
		const char *key, const char *format, ...)
{
	char path[STORE_PATH_LEN], value[STORE_TEXT_LEN * 2];
	va_list args;
	int used;

	if (store_path(path, dir, key))
		return -E2BIG;
	va_start(args, format);
	used = vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	if (used < 0 || (size_t)used >= sizeof(value))
		return -E2BIG;
	if (!xs_write(xs, txn, path, value, (unsigned int)used))
		return errno ? -errno : -EIO;
	return 0;
}

static int store_try_update(struct xs_handle *xs, const char *dir,
			    const char *guard, const struct store_item *items,
			    unsigned int nr)
{
	char path[STORE_PATH_LEN];
	xs_transaction_t txn;
	unsigned int i, len;
	void *value;
	int ret;

	ret = store_path(path, dir, guard);
	if (ret)
		return ret;
	txn = xs_transaction_start(xs);
	if (txn == XBT_NULL)
		return errno ? -errno : -EIO;
	value = xs_read(xs, txn, path, &len);
	if (!value)
		ret = errno ? -errno : -EIO;
	free(value);
	for (i = 0; !ret && i < nr; i++)
		ret = store_write(xs, txn, dir, items[i].key, "%s",
				  items[i].value);
	if (!xs_transaction_end(xs, txn, ret != 0) && !ret)
		ret = errno ? -errno : -EIO;
	return ret;
}

int store_update(struct xs_handle *xs, const char *dir, const char *guard,
		 const struct store_item *items, unsigned int nr)
{
	int ret, tries = 0;

	do {
		ret = store_try_update(xs, dir, guard, items, nr);
	} while (ret == -EAGAIN && ++tries < STORE_MAX_TRIES);
	return ret;
}

int store_list(struct xs_handle *xs, const char *dir, char ***untrusted_names,
	       unsigned int *nr)
{
	*nr = 0;
	*untrusted_names = xs_directory(xs, XBT_NULL, dir, nr);
	if (*untrusted_names)
		return 0;
	*nr = 0;
	return errno == ENOENT ? 0 : errno ? -errno : -EIO;
}

const char *store_state_name(uint64_t state)
{
	static const char *const names[] = {
		"unknown", "initialising", "init-wait", "initialised",
		"connected", "closing", "closed",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] :
							  names[0];
}
