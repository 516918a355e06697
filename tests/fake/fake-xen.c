// SPDX-License-Identifier: MIT
/* A guest's half of the world, in memory. */
#include "fake-xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xenstore.h>

#include "fake-fail.h"
#include "module.h"
#include "userptrif.h"

#define FAKE_NODES	64

struct fake_node {
	char path[256];
	char value[256];
	unsigned int len;
	int error;	/* of who reads it, or 0 */
};

static struct fake_node fake_nodes[FAKE_NODES];

static const void *fake_pages[FAKE_MAX_GREFS];

struct fake_module fake_module;

void fake_store_clear(void)
{
	memset(fake_nodes, 0, sizeof(fake_nodes));
}

void fake_store_set(const char *path, const char *value, int len)
{
	unsigned int i, slot = FAKE_NODES;

	for (i = 0; i < FAKE_NODES; i++) {
		if (!strcmp(fake_nodes[i].path, path)) {
			slot = i;
			break;
		}
		if (!fake_nodes[i].path[0] && slot == FAKE_NODES)
			slot = i;
	}
	if (slot == FAKE_NODES)
		abort();
	memset(&fake_nodes[slot], 0, sizeof(fake_nodes[slot]));
	if (!value)
		return;
	strncpy(fake_nodes[slot].path, path, sizeof(fake_nodes[0].path) - 1);
	fake_nodes[slot].len = len < 0 ? (unsigned int)strlen(value) :
					 (unsigned int)len;
	memcpy(fake_nodes[slot].value, value, fake_nodes[slot].len);
}

void fake_store_deny(const char *path, int error)
{
	unsigned int i;

	fake_store_set(path, "", 0);
	for (i = 0; i < FAKE_NODES; i++)
		if (!strcmp(fake_nodes[i].path, path))
			fake_nodes[i].error = error;
}

/* No directory is there. A test that has some brings its own. */
__attribute__((weak)) char **xs_directory(struct xs_handle *xs,
					  xs_transaction_t txn,
					  const char *path, unsigned int *nr)
{
	(void)xs;
	(void)txn;
	(void)path;
	*nr = 0;
	errno = ENOENT;
	return NULL;
}

void *xs_read(struct xs_handle *xs, xs_transaction_t txn, const char *path,
	      unsigned int *len)
{
	unsigned int i;
	char *copy;

	(void)xs;
	(void)txn;
	if (fake_fail()) {
		errno = EIO;
		return NULL;
	}
	for (i = 0; i < FAKE_NODES; i++)
		if (!strcmp(fake_nodes[i].path, path))
			break;
	if (i == FAKE_NODES) {
		errno = ENOENT;
		return NULL;
	}
	if (fake_nodes[i].error) {
		errno = fake_nodes[i].error;
		return NULL;
	}
	copy = calloc(1, fake_nodes[i].len + 1);
	if (!copy)
		return NULL;
	memcpy(copy, fake_nodes[i].value, fake_nodes[i].len);
	if (len)
		*len = fake_nodes[i].len;
	return copy;
}

/* One transaction at a time; an abort brings the nodes back. */
static struct fake_node fake_saved[FAKE_NODES];
static unsigned int fake_conflicts;

void fake_store_conflict(unsigned int times)
{
	fake_conflicts = times;
}

xs_transaction_t xs_transaction_start(struct xs_handle *xs)
{
	(void)xs;
	if (fake_fail()) {
		errno = EIO;
		return XBT_NULL;
	}
	memcpy(fake_saved, fake_nodes, sizeof(fake_saved));
	return 1;
}

bool xs_transaction_end(struct xs_handle *xs, xs_transaction_t txn, bool abort)
{
	(void)xs;
	(void)txn;
	if (!abort && fake_conflicts) {
		fake_conflicts--;
		abort = true;
		errno = EAGAIN;
	} else if (!abort && fake_fail()) {
		abort = true;
		errno = EIO;
	} else if (!abort) {
		return true;
	}
	memcpy(fake_nodes, fake_saved, sizeof(fake_saved));
	return false;
}

bool xs_write(struct xs_handle *xs, xs_transaction_t txn, const char *path,
	      const void *data, unsigned int len)
{
	(void)xs;
	(void)txn;
	if (fake_fail()) {
		errno = EIO;
		return false;
	}
	fake_store_set(path, data, (int)len);
	return true;
}

void fake_grant_clear(void)
{
	memset(fake_pages, 0, sizeof(fake_pages));
}

void fake_grant(uint32_t gref, const void *page)
{
	if (gref >= FAKE_MAX_GREFS)
		abort();
	fake_pages[gref] = page;
}

int module_copy(int module, const uint32_t *grefs, uint32_t nr, void *pages)
{
	uint32_t i;

	(void)module;
	if (fake_fail())
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		if (grefs[i] >= FAKE_MAX_GREFS || !fake_pages[grefs[i]])
			return -EIO;
		memcpy((char *)pages + i * XENUSERPTR_PAGE_SIZE,
		       fake_pages[grefs[i]], XENUSERPTR_PAGE_SIZE);
	}
	return 0;
}

int module_map(int module, const uint32_t *grefs, uint32_t nr, uint32_t flags,
	       uint64_t cookie, uint32_t *error_index)
{
	static const int errors[] = { -EDQUOT, -ENOSPC, -ENOMEM, -EIO };
	static unsigned int next;
	uint32_t i;
	int fd;

	(void)module;
	if (fake_fail()) {
		*error_index = 3;
		return errors[next++ % 4];
	}
	for (i = 0; i < nr; i++)
		if (grefs[i] < FAKE_MAX_GREFS &&
		    fake_module.rev_state[grefs[i]] == FAKE_REV_REVOKED)
			return -EIO;
	fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	fake_module.alive++;
	fake_module.nr = nr;
	fake_module.flags = flags;
	fake_module.cookie = cookie;
	fake_module.first_gref = grefs[0];
	fake_module.last_gref = grefs[nr - 1];
	return fd;
}

int module_write(int module, int dmabuf, uint32_t first, uint32_t nr,
		 const void *from)
{
	(void)module;
	(void)dmabuf;
	if (fake_fail() || !from)
		return -EINTR;
	fake_module.write_first = first;
	fake_module.write_nr = nr;
	return 0;
}

int module_trim(int module, int dmabuf, uint32_t first, uint32_t nr)
{
	(void)module;
	(void)dmabuf;
	if (fake_fail())
		return -EBUSY;
	fake_module.trim_first = first;
	fake_module.trim_nr = nr;
	return 0;
}

static bool fake_over_quota(void)
{
	uint32_t gref, armed = 0;

	for (gref = 0; gref < FAKE_MAX_GREFS; gref++)
		armed += fake_module.rev_state[gref] != FAKE_REV_NONE;
	return fake_module.max_armed && armed >= fake_module.max_armed;
}

/* A page's life without anybody who touches it. */
static void fake_rev_op(struct xen_userptr_back_op *op)
{
	static const uint8_t next[] = {
		[XEN_USERPTR_BACK_ARM] = FAKE_REV_HOME,
		[XEN_USERPTR_BACK_DISARM] = FAKE_REV_NONE,
		[XEN_USERPTR_BACK_REVOKE] = FAKE_REV_REVOKED,
		[XEN_USERPTR_BACK_RESTORE] = FAKE_REV_HOME,
	};
	uint8_t *state = &fake_module.rev_state[op->gref];

	if (op->cmd == XEN_USERPTR_BACK_ARM && fake_module.refuse_gref &&
	    op->gref == fake_module.refuse_gref) {
		op->status = fake_module.refuse_status;
		return;
	}
	op->status = 0;
	if (op->cmd == XEN_USERPTR_BACK_ARM && *state == FAKE_REV_NONE &&
	    fake_over_quota()) {
		op->status = -18;	/* GNTST_over_quota */
		return;
	}
	if (op->cmd == XEN_USERPTR_BACK_ARM || *state != FAKE_REV_NONE)
		*state = op->cmd == XEN_USERPTR_BACK_QUERY ? *state :
							     next[op->cmd];
	else if (op->cmd != XEN_USERPTR_BACK_QUERY)
		op->status = -16;	/* GNTST_bad_state */
	if (!op->status && op->flags & XEN_USERPTR_BACK_OP_DISARM)
		*state = FAKE_REV_NONE;
	op->state = *state;
}

int module_ops(int module, struct xen_userptr_back_op *ops, uint32_t nr)
{
	uint32_t i;

	(void)module;
	if (fake_fail())
		return -ENOMEM;
	fake_module.ops_calls++;
	for (i = 0; i < nr; i++) {
		ops[i].status = -3;	/* GNTST_bad_gntref */
		if (ops[i].gref < FAKE_MAX_GREFS)
			fake_rev_op(&ops[i]);
	}
	return 0;
}
