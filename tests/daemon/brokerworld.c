// SPDX-License-Identifier: MIT
#include "brokerworld.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "cm.h"
#include "fake-fail.h"
#include "fake-xen.h"
#include "module.h"

#define WAIT_US		10000000U	/* for what is to come */
#define MAX_WATCHES	8U

struct broker broker;
struct broker_world world;

/* ---- the store, as far as fake-xen.c has none ---- */

static int watch_fd;
static const char *watches[MAX_WATCHES];
static unsigned int nr_watches;

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	return (struct xs_handle *)&broker;
}

void xs_close(struct xs_handle *xs)
{
	(void)xs;
}

int xs_fileno(struct xs_handle *xs)
{
	(void)xs;
	return watch_fd;
}

bool xs_watch(struct xs_handle *xs, const char *path, const char *token)
{
	(void)xs;
	(void)path;
	(void)token;
	errno = EIO;
	return !fake_fail();
}

bool xs_unwatch(struct xs_handle *xs, const char *path, const char *token)
{
	(void)xs;
	(void)path;
	(void)token;
	return true;
}

char **xs_check_watch(struct xs_handle *xs)
{
	static char none[] = "";
	eventfd_t value;
	char **watch;

	(void)xs;
	if (!nr_watches) {
		(void)eventfd_read(watch_fd, &value);
		return NULL;
	}
	nr_watches--;
	watch = malloc(2 * sizeof(*watch) + 32);
	if (!watch)
		return NULL;
	watch[XS_WATCH_PATH] = none;
	watch[XS_WATCH_TOKEN] = (char *)&watch[2];
	snprintf(watch[XS_WATCH_TOKEN], 32, "%s", watches[nr_watches]);
	return watch;
}

bool xs_rm(struct xs_handle *xs, xs_transaction_t txn, const char *path)
{
	char node[STORE_PATH_LEN];

	(void)xs;
	(void)txn;
	snprintf(node, sizeof(node), "%s/frontend", path);
	fake_store_set(node, NULL, 0);
	return true;
}

bool has_node(uint32_t domid)
{
	char path[STORE_PATH_LEN];
	char *value;
	bool found;

	snprintf(path, sizeof(path), ROOT "/%u/0/frontend", domid);
	value = xs_read(NULL, XBT_NULL, path, NULL);
	found = value || errno != ENOENT;
	free(value);
	return found;
}

/* Domains with one device, or the devices of one. */
char **xs_directory(struct xs_handle *xs, xs_transaction_t txn,
		    const char *path, unsigned int *nr)
{
	static char dom[] = "7", other[] = "8", dev[] = "0";
	char **names;

	(void)xs;
	(void)txn;
	if (world.list_error || fake_fail()) {
		errno = world.list_error ? world.list_error : EIO;
		return NULL;
	}
	names = calloc(2, sizeof(*names));
	*nr = 0;
	if (!names)
		return NULL;
	if (strcmp(path, ROOT)) {
		names[(*nr)++] = dev;
		return names;
	}
	if (has_node(DOMID))
		names[(*nr)++] = dom;
	if (has_node(OTHER))
		names[(*nr)++] = other;
	return names;
}

bool xs_is_domain_introduced(struct xs_handle *xs, unsigned int domid)
{
	(void)xs;
	if (world.domain_error || fake_fail()) {
		errno = world.domain_error ? world.domain_error : EIO;
		return false;
	}
	return !world.is_dead[domid];
}

/* ---- workers ---- */

int worker_spawn(struct device *device, const struct ipc_frontend *frontend,
		 const char **why)
{
	(void)frontend;
	(void)why;
	world.spawned++;
	device->pid = 1;
	return 0;
}

void worker_stop(struct device *device)
{
	assert_true(device->pid > 0);
	world.stopped++;
}

void worker_release(struct device *device)
{
	device->pid = 0;
}

void worker_kill(struct device *device)
{
	world.killed += device->pid > 0;
	worker_release(device);
}

int worker_rescue(struct device *device)
{
	world.rescued++;
	device->pid = 1;
	return 0;
}

/* libsystemd's, which says it to systemd. */
int sd_notifyf(int unset, const char *format, ...)
{
	(void)unset;
	world.extended += strstr(format, "EXTEND_TIMEOUT_USEC=") != NULL;
	return 0;
}

void worker_forget(struct device *device)
{
	(void)device;
}

int status_listen(struct broker *of)
{
	(void)of;
	return 0;
}

int control_listen(struct broker *of)
{
	(void)of;
	return 0;
}

bool module_is_revocable(void)
{
	return true;
}

/* ---- the toolstack and the guest ---- */

static void back_set(uint32_t domid, const char *key, const char *value)
{
	char path[STORE_PATH_LEN];

	snprintf(path, sizeof(path), ROOT "/%u/0/%s", domid, key);
	fake_store_set(path, value, -1);
}

const char *front_path(uint32_t domid, const char *key)
{
	static char path[STORE_PATH_LEN];

	snprintf(path, sizeof(path), "/local/domain/%u/device/userptr/0%s%s",
		 domid, *key ? "/" : "", key);
	return path;
}

void front_set(uint32_t domid, const char *key, const char *value)
{
	fake_store_set(front_path(domid, key), value, -1);
}

void attach(uint32_t domid)
{
	back_set(domid, "frontend", front_path(domid, ""));
	back_set(domid, "online", "1");
	back_set(domid, "state", "1");
	front_set(domid, "state", "1");
	front_set(domid, "version", "1");
	front_set(domid, "ring-ref0", "8");
	front_set(domid, "evt-ring-ref", "9");
	front_set(domid, "fence-ref", "10");
	front_set(domid, "event-channel", "11");
}

/* As userptrctl detach does it in the end. */
void take(uint32_t domid)
{
	front_set(domid, "state", NULL);
	back_set(domid, "frontend", NULL);
	back_set(domid, "online", NULL);
	back_set(domid, "state", NULL);
}

uint64_t back_state(uint32_t domid)
{
	char path[STORE_PATH_LEN];
	uint64_t state = XB_UNKNOWN;

	snprintf(path, sizeof(path), ROOT "/%u/0", domid);
	(void)store_read_number(NULL, path, "state", XB_NR_STATES - 1, &state);
	return state;
}

void run_loop(void)
{
	while (sd_event_run(broker.loop, 0) > 0)
		;
}

void watch_fires(const char *token)
{
	assert_true(nr_watches < MAX_WATCHES);
	watches[nr_watches++] = token;
	assert_int_equal(eventfd_write(watch_fd, 1), 0);
	run_loop();
}

struct device *device_of(uint32_t domid)
{
	return device_find(&broker, domid, 0);
}

enum device_state state_of(uint32_t domid)
{
	return device_of(domid)->state;
}

void connect_guest(uint32_t domid)
{
	attach(domid);
	watch_fires("backend");
	assert_int_equal(state_of(domid), DEV_WAITING);
	front_set(domid, "state", "3");
	watch_fires(device_of(domid)->token);
	assert_int_equal(state_of(domid), DEV_STARTING);
	device_worker_ready(device_of(domid));
	front_set(domid, "state", "4");
	watch_fires(device_of(domid)->token);
	assert_int_equal(state_of(domid), DEV_CONNECTED);
	assert_int_equal(back_state(domid), XB_CONNECTED);
}

void assert_lives(uint32_t domid)
{
	assert_non_null(device_of(domid));
	assert_int_equal(state_of(domid), DEV_CONNECTED);
	assert_int_equal(world.stopped, 0);
	assert_int_equal(world.killed, 0);
}

bool retries(void)
{
	int enabled;

	assert_true(sd_event_source_get_enabled(broker.retry, &enabled) >= 0);
	return enabled != SD_EVENT_OFF;
}

void wait_for_retry(void)
{
	assert_true(retries());
	while (retries())
		assert_true(sd_event_run(broker.loop, WAIT_US) >= 0);
	run_loop();
}

bool has_ended(void)
{
	return sd_event_get_state(broker.loop) == SD_EVENT_FINISHED;
}

int broker_setup(void **state)
{
	(void)state;
	memset(&broker, 0, sizeof(broker));
	memset(&world, 0, sizeof(world));
	nr_watches = 0;
	fake_fail_set(0);
	fake_store_clear();
	watch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(broker_init(&broker), 0);
	return 0;
}

int broker_teardown(void **state)
{
	(void)state;
	broker_fini(&broker);
	close(watch_fd);
	return 0;
}
