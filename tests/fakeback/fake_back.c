// SPDX-License-Identifier: MIT
/*
 * fake-back: see fake.h. The main loop and the states of xenstore.
 *
 * usage: fake-back DOMID DEVID [keep] [keep-dirs] [reoffer] [trim] [stay] [sour]
 *        [mute=OPERATION] [late=OPERATION] [objects=N] [flap=N] [seed=N]
 *
 * keep: OBJ_DESTROY is answered with OK, but the pages stay mapped until
 * SIGUSR1. keep-dirs: directories are mapped until then. reoffer: each connection is
 * closed, its shared pages stay mapped, and another one is offered, until then. mute: this operation gets no answer. late: the first ones are
 * answered at SIGUSR1, and all at once from then on. trim: OBJ_TRIM is offered, and
 * refused. stay: STAY in EXEC is taken, and told. sour: OBJ_DESTROY and VM_DESTROY are done and answered with an error, and
 * jobs that lose pages lose some of the last object that was destroyed. flap: it says
 * InitWait, Closing and Closed so many times first, with random times between. SIGTERM:
 * close the device as a backend that is stopped does, and exit. The device's directories must be
 * there; without them they are made.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"

/* A guest's offer takes some milliseconds. */
#define FLAP_US		20000

static volatile sig_atomic_t got_usr1, got_term;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		got_usr1 = 1;
	else
		got_term = 1;
}

void fake_die(const char *what)
{
	fprintf(stderr, "fake-back: %s: %s\n", what, strerror(errno));
	exit(99);
}

static void node_write(struct fake *fake, const char *dir, const char *key,
		       const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	if (!xs_write(fake->xs, XBT_NULL, path, value,
		      (unsigned int)strlen(value)))
		fake_die(path);
}

static void state_set(struct fake *fake, enum xenbus_state state)
{
	char value[16];

	printf("fake-back: state %d\n", state);
	snprintf(value, sizeof(value), "%d", state);
	node_write(fake, fake->back, "state", value);
}

static enum xenbus_state front_state(struct fake *fake)
{
	char path[128], *text;
	int state;

	snprintf(path, sizeof(path), "%s/state", fake->front);
	text = xs_read(fake->xs, XBT_NULL, path, NULL);
	state = text ? atoi(text) : XenbusStateUnknown;
	free(text);
	return (enum xenbus_state)state;
}

static void dir_make(struct fake *fake, const char *dir, uint32_t owner,
		     uint32_t reader)
{
	struct xs_permissions perms[2] = {
		{ .id = owner, .perms = XS_PERM_NONE },
		{ .id = reader, .perms = XS_PERM_READ },
	};

	if (!xs_mkdir(fake->xs, XBT_NULL, dir) ||
	    !xs_set_permissions(fake->xs, XBT_NULL, dir, perms, 2))
		fake_die(dir);
}

/* What the toolstack does when it attaches a device. */
static void device_attach(struct fake *fake)
{
	char path[128], number[16], *there;

	snprintf(path, sizeof(path), "%s/backend", fake->front);
	there = xs_read(fake->xs, XBT_NULL, path, NULL);
	free(there);
	if (there)
		return;
	dir_make(fake, fake->back, 0, fake->domid);
	snprintf(number, sizeof(number), "%u", fake->domid);
	node_write(fake, fake->back, "frontend", fake->front);
	node_write(fake, fake->back, "frontend-id", number);
	node_write(fake, fake->back, "online", "1");
	state_set(fake, XenbusStateInitialising);
	dir_make(fake, fake->front, fake->domid, 0);
	node_write(fake, fake->front, "backend", fake->back);
	node_write(fake, fake->front, "backend-id", "0");
	node_write(fake, fake->front, "state", "1");
}

static void device_offer(struct fake *fake)
{
	node_write(fake, fake->back, XENUSERPTR_FIELD_BE_VERSIONS, "1");
	node_write(fake, fake->back, XENUSERPTR_FIELD_MAX_RING_ORDER, "2");
	node_write(fake, fake->back, XENUSERPTR_FIELD_REVOCABLE, "0");
	node_write(fake, fake->back, XENUSERPTR_FIELD_TRIM, fake->trim ? "1" : "0");
	node_write(fake, fake->back, XENUSERPTR_FIELD_STAY, fake->stay ? "1" : "0");
	state_set(fake, XenbusStateInitWait);
}

static void device_close(struct fake *fake)
{
	fake_link_close(fake);
	fake_unmap_all(fake);
	state_set(fake, XenbusStateClosed);
}

/* What is offered may be a remainder of a time when this one went: then as the daemon does. */
static void on_offer(struct fake *fake)
{
	if (fake->connected || fake->is_away)
		return;
	if (!fake_link_open(fake)) {
		state_set(fake, XenbusStateConnected);
		return;
	}
	if (!fake->flaps)
		fake_die("map the shared pages");
	state_set(fake, XenbusStateClosing);
	state_set(fake, XenbusStateClosed);
	fake->is_away = true;
}

static void on_front(struct fake *fake)
{
	switch (front_state(fake)) {
	case XenbusStateInitialised:
		on_offer(fake);
		break;
	case XenbusStateConnected:
		if (fake->reoffer && fake->connected)
			state_set(fake, XenbusStateClosing);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
		if (!fake->connected && !fake->is_away)
			break;
		if (fake->connected)
			device_close(fake);
		fake->is_away = false;
		device_offer(fake);
		break;
	default:
		break;
	}
}

static void on_ring(struct fake *fake)
{
	struct xen_userptrif_req req;
	int more = 1;

	while (more && fake->connected) {
		RING_IDX prod = fake->ring.sring->req_prod;

		xen_rmb();
		while (fake->ring.req_cons != prod) {
			/* A frontend that made room notifies. */
			if (!fake_event_room(fake))
				return;
			RING_COPY_REQUEST(&fake->ring, fake->ring.req_cons,
					  &req);
			fake->ring.req_cons++;
			fake_handle(fake, &req);
		}
		RING_FINAL_CHECK_FOR_REQUESTS(&fake->ring, more);
	}
}

static void on_event(struct fake *fake)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(fake->evtchn);

	if (port < 0 || !fake->connected)
		return;
	xenevtchn_unmask(fake->evtchn, (evtchn_port_t)port);
	on_ring(fake);
}

static void on_store(struct fake *fake)
{
	char **watch;

	while ((watch = xs_check_watch(fake->xs)) != NULL) {
		free(watch);
		on_front(fake);
	}
}

static void stop(struct fake *fake)
{
	state_set(fake, XenbusStateClosing);
	device_close(fake);
	exit(0);
}

static void on_usr1(struct fake *fake)
{
	fake->reoffer = false;
	fake_unmap_kept(fake);
	fake_answer_late(fake);
}

/*
 * Comes and goes, as if it could not serve anybody, at any time that a guest may need to
 * see it. Nothing is connected meanwhile.
 */
static void flap(struct fake *fake)
{
	unsigned int i;

	printf("fake-back: seed %u\n", fake->seed);
	srand(fake->seed);
	for (i = 0; i < fake->flaps; i++) {
		device_offer(fake);
		usleep((useconds_t)(rand() % FLAP_US));
		state_set(fake, XenbusStateClosing);
		state_set(fake, XenbusStateClosed);
		usleep((useconds_t)(rand() % FLAP_US));
	}
}

static void loop(struct fake *fake)
{
	struct pollfd fds[2] = {
		{ .fd = xs_fileno(fake->xs), .events = POLLIN },
		{ .fd = xenevtchn_fd(fake->evtchn), .events = POLLIN },
	};
	sigset_t none;

	sigemptyset(&none);
	for (;;) {
		if (ppoll(fds, 2, NULL, &none) < 0 && errno != EINTR)
			fake_die("poll");
		if (got_term)
			stop(fake);
		if (got_usr1)
			on_usr1(fake);
		got_usr1 = 0;
		if (fds[0].revents)
			on_store(fake);
		if (fds[1].revents)
			on_event(fake);
		fds[0].revents = 0;
		fds[1].revents = 0;
	}
}

static void signals_setup(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t block;

	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigaddset(&block, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &block, NULL) ||
	    sigaction(SIGUSR1, &action, NULL) ||
	    sigaction(SIGTERM, &action, NULL))
		fake_die("signals");
}

static void arguments(struct fake *fake, int argc, char **argv)
{
	int i;

	if (argc < 3) {
		fprintf(stderr, "usage: fake-back DOMID DEVID [keep] [keep-dirs] [reoffer] [trim] [stay] [sour]\n"
			"  [mute=OPERATION] [late=OPERATION] [objects=N] [refuse-queries=N] [bad-queries=N]\n"
			"  [flap=N] [seed=N]\n");
		exit(99);
	}
	fake->domid = (uint32_t)strtoul(argv[1], NULL, 10);
	fake->devid = (uint32_t)strtoul(argv[2], NULL, 10);
	fake->max_objects = FAKE_OBJECTS;
	for (i = 3; i < argc; i++) {
		if (!strcmp(argv[i], "keep"))
			fake->keep = true;
		else if (!strcmp(argv[i], "keep-dirs"))
			fake->keep_dirs = true;
		else if (!strcmp(argv[i], "reoffer"))
			fake->reoffer = true;
		else if (!strcmp(argv[i], "trim"))
			fake->trim = true;
		else if (!strcmp(argv[i], "stay"))
			fake->stay = true;
		else if (!strcmp(argv[i], "sour"))
			fake->sour = true;
		else if (!strncmp(argv[i], "mute=", 5))
			fake->mute = (unsigned int)atoi(argv[i] + 5);
		else if (!strncmp(argv[i], "late=", 5))
			fake->late |= 1u << atoi(argv[i] + 5);
		else if (!strncmp(argv[i], "refuse-queries=", 15))
			fake->refuse_queries = (unsigned int)atoi(argv[i] + 15);
		else if (!strncmp(argv[i], "bad-queries=", 12))
			fake->bad_queries = (unsigned int)atoi(argv[i] + 12);
		else if (!strncmp(argv[i], "flap=", 5))
			fake->flaps = (unsigned int)atoi(argv[i] + 5);
		else if (!strncmp(argv[i], "seed=", 5))
			fake->seed = (unsigned int)atoi(argv[i] + 5);
		else if (!strncmp(argv[i], "objects=", 8))
			fake->max_objects = (uint32_t)atoi(argv[i] + 8);
	}
}

int main(int argc, char **argv)
{
	static struct fake fake;
	char path[128];

	setvbuf(stdout, NULL, _IOLBF, 0);
	arguments(&fake, argc, argv);
	signals_setup();
	snprintf(fake.back, sizeof(fake.back),
		 "/local/domain/0/backend/userptr/%u/%u", fake.domid,
		 fake.devid);
	snprintf(fake.front, sizeof(fake.front),
		 "/local/domain/%u/device/userptr/%u", fake.domid, fake.devid);
	fake.xs = xs_open(0);
	fake.evtchn = xenevtchn_open(NULL, 0);
	fake.gnttab = xengnttab_open(NULL, 0);
	if (!fake.xs || !fake.evtchn || !fake.gnttab)
		fake_die("open Xen's interfaces");
	device_attach(&fake);
	flap(&fake);
	device_offer(&fake);
	snprintf(path, sizeof(path), "%s/state", fake.front);
	if (!xs_watch(fake.xs, path, "front"))
		fake_die("watch");
	loop(&fake);
}
