// SPDX-License-Identifier: MIT
/*
 * Grants pages of a guest to domain 0, for the tests of xen_userptr_back.
 *
 * back-guest grant N [ro]     prints one grant reference per line, and leaves
 *                             a process behind that holds the pages
 * back-guest peek PAGE WORD   prints a 64-bit word of one of the pages
 * back-guest poke PAGE WORD VALUE
 * back-guest free             gives the references back; fails while mapped is
 *                             no error (gntalloc defers); ends the process
 *
 * At first word w of page p holds PATTERN + p * 512 + w.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xen/gntalloc.h>

#include "back-pattern.h"

#define MAX_PAGES 16384
#define PAGE_BYTES 4096
#define WORDS (PAGE_BYTES / 8)

struct request {
	char op;		/* 'r' read, 'w' write, 'q' quit */
	uint32_t page, word;
	uint64_t value;
};

static volatile uint64_t *pages[MAX_PAGES];
static uint64_t indices[MAX_PAGES];
static unsigned int npages;
static int gntalloc;

static struct sockaddr_un address(socklen_t *len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path + 1, "back-guest", 10);
	*len = (socklen_t)(sizeof(a.sun_family) + 11);
	return a;
}

static int page_grant(unsigned int p, int writable, uint32_t *gref)
{
	struct ioctl_gntalloc_alloc_gref arg = {
		.domid = 0,
		.flags = writable ? GNTALLOC_FLAG_WRITABLE : 0,
		.count = 1,
	};
	void *at;

	if (ioctl(gntalloc, IOCTL_GNTALLOC_ALLOC_GREF, &arg)) {
		perror("IOCTL_GNTALLOC_ALLOC_GREF");
		return -1;
	}
	at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		  gntalloc, (off_t)arg.index);
	if (at == MAP_FAILED) {
		perror("mmap of gntalloc");
		return -1;
	}
	pages[p] = at;
	indices[p] = arg.index;
	*gref = arg.gref_ids[0];
	for (unsigned int w = 0; w < WORDS; w++)
		pages[p][w] = BACK_PATTERN + (uint64_t)p * WORDS + w;
	return 0;
}

static void pages_free(void)
{
	for (unsigned int p = 0; p < npages; p++) {
		struct ioctl_gntalloc_dealloc_gref arg = {
			.index = indices[p],
			.count = 1,
		};

		munmap((void *)(uintptr_t)pages[p], PAGE_BYTES);
		ioctl(gntalloc, IOCTL_GNTALLOC_DEALLOC_GREF, &arg);
	}
}

/* Answers requests until told to quit. */
static int serve(int sock)
{
	struct sockaddr_un from;
	struct request r;
	socklen_t len;

	for (;;) {
		len = sizeof(from);
		if (recvfrom(sock, &r, sizeof(r), 0, (struct sockaddr *)&from,
			     &len) != sizeof(r))
			continue;
		if (r.op == 'q')
			pages_free();
		else if (r.page >= npages || r.word >= WORDS)
			r.op = 'e';
		else if (r.op == 'w')
			pages[r.page][r.word] = r.value;
		else
			r.value = pages[r.page][r.word];
		sendto(sock, &r, sizeof(r), 0, (struct sockaddr *)&from, len);
		if (r.op == 'q')
			return 0;
	}
}

static int grant(unsigned int n, int writable)
{
	socklen_t len;
	struct sockaddr_un a = address(&len);
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t gref;

	if (sock < 0 || bind(sock, (struct sockaddr *)&a, len)) {
		perror("back-guest: socket");
		return 1;
	}
	gntalloc = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	if (gntalloc < 0) {
		perror("/dev/xen/gntalloc");
		return 1;
	}
	for (npages = 0; npages < n; npages++) {
		if (page_grant(npages, writable, &gref))
			return 1;
		printf("%u\n", gref);
	}
	fflush(stdout);
	if (daemon(0, 0)) {
		perror("daemon");
		return 1;
	}
	return serve(sock);
}

static int ask(char op, uint32_t page, uint32_t word, uint64_t value)
{
	struct request r = { op, page, word, value };
	socklen_t len;
	struct sockaddr_un to = address(&len);
	struct sockaddr_un self = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* An address of its own is given by the kernel. */
	if (sock < 0 || bind(sock, (struct sockaddr *)&self, sizeof(sa_family_t)) ||
	    sendto(sock, &r, sizeof(r), 0, (struct sockaddr *)&to, len) < 0 ||
	    recv(sock, &r, sizeof(r), 0) != sizeof(r) || r.op == 'e') {
		fprintf(stderr, "back-guest: no answer (%s)\n", strerror(errno));
		return 1;
	}
	if (op == 'r')
		printf("%llu\n", (unsigned long long)r.value);
	return 0;
}

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 0);
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "grant") == 0 &&
	    number(argv[2]) <= MAX_PAGES)
		return grant(number(argv[2]), argc == 3);
	if (argc == 4 && strcmp(argv[1], "peek") == 0)
		return ask('r', number(argv[2]), number(argv[3]), 0);
	if (argc == 5 && strcmp(argv[1], "poke") == 0)
		return ask('w', number(argv[2]), number(argv[3]),
			   strtoull(argv[4], NULL, 0));
	if (argc == 2 && strcmp(argv[1], "free") == 0)
		return ask('q', 0, 0, 0);
	fprintf(stderr, "usage: back-guest grant N [ro] | peek PAGE WORD |\n"
		"       poke PAGE WORD VALUE | free\n");
	return 2;
}
