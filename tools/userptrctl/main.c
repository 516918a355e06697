// SPDX-License-Identifier: MIT
/* Options and commands of userptrctl. */
#include "ctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

#define CTL_TIMEOUT_S	30U
#define CTL_MAX_TIMEOUT	3600U

static const struct {
	const char *name;
	int (*run)(struct ctl *ctl);
	const char *options;	/* letters of those that it takes */
	bool is_alone;		/* needs no Xen */
} ctl_commands[] = {
	{ "attach", ctl_attach, "", false },
	{ "detach", ctl_detach, "ft", false },
	{ "list", ctl_list, "j", false },
	{ "stat", ctl_stat, "j", false },
	{ "migrate", ctl_migrate, "jt", false },
	{ "policy", ctl_policy, "", false },
	{ "map", ctl_map, "js", false },
	{ "top", ctl_top, "ijo", false },
	{ "replay", ctl_replay, "", true },
};

static const struct option ctl_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "json", no_argument, NULL, 'j' },
	{ "force", no_argument, NULL, 'f' },
	{ "svg", no_argument, NULL, 's' },
	{ "once", no_argument, NULL, 'o' },
	{ "interval", required_argument, NULL, 'i' },
	{ "timeout", required_argument, NULL, 't' },
	{ NULL, 0, NULL, 0 },
};

static void ctl_help(FILE *out)
{
	fputs("usage: userptrctl attach DOMAIN [KEY=VALUE]...\n"
	      "       userptrctl detach DOMAIN DEVID|DOMAIN/DEVID [--force] [--timeout SECONDS]\n"
	      "       userptrctl list [DOMAIN] [--json]\n"
	      "       userptrctl stat [DOMAIN] [--json]\n"
	      "       userptrctl migrate DOMAIN[/DEVID] OBJECT RANGE to vram|ram [--timeout SECONDS] [--json]\n"
	      "       userptrctl policy DOMAIN[/DEVID] manual|first-use|hint|pressure\n"
	      "       userptrctl map DOMAIN[/DEVID] [OBJECT] [--json|--svg]\n"
	      "       userptrctl top [DOMAIN] [--interval SECONDS] [--once] [--json]\n"
	      "       userptrctl replay FILE\n"
	      "\n"
	      "attach  give a guest a userptr device; prints its number. Keys:\n"
	      "          devid=N        number of the device (default: the first free one)\n"
	      "          backend=DOMAIN the domain with the GPU (default: this one)\n"
	      "          gpu=WHICH,...  PCI addresses or render nodes (default: the first)\n"
	      "          max-pages=N max-objects=N max-vms=N max-mappings=N max-jobs=N\n"
	      "          max-vram=OCTETS    quotas; see userptrctl(8)\n"
	      "          policy=NAME kill-ms=N lost-ms=N copy-ms=N trace=N    of moving memory\n"
	      "detach  take it away; with --force even if the guest does not let go\n"
	      "list    devices and the states of both ends\n"
	      "stat    counters of the workers of this domain's userptrd\n"
	      "migrate move pages of an object; RANGE is all, PAGE or PAGE+NUMBER\n"
	      "policy  what moves memory by itself\n"
	      "map     the objects of a guest, or where the pages of one are\n"
	      "top     devices and objects by what moves, again and again\n"
	      "replay  a trace that was recorded: events, and what followed from them\n"
	      "\n"
	      "exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such domain, device or object,\n"
	      "            4 userptrd does not answer, 5 timed out\n", out);
}

/* An option that would do nothing is a mistake. @letters: those that were given. */
static int ctl_check_options(const char *letters, size_t command)
{
	const struct option *option;
	const char *stranger;

	stranger = letters + strspn(letters, ctl_commands[command].options);
	if (!*stranger)
		return CTL_OK;
	for (option = ctl_options; option->val != *stranger;)
		option++;
	return ctl_error(CTL_USAGE, "--%s is not for %s", option->name,
			 ctl_commands[command].name);
}

static int ctl_run(struct ctl *ctl, const char *command, const char *letters)
{
	size_t i;
	int ret;

	for (i = 0; i < sizeof(ctl_commands) / sizeof(ctl_commands[0]); i++)
		if (!strcmp(command, ctl_commands[i].name))
			break;
	if (i == sizeof(ctl_commands) / sizeof(ctl_commands[0]))
		return ctl_error(CTL_USAGE, "unknown command '%s'", command);
	ret = ctl_check_options(letters, i);
	if (ret != CTL_OK)
		return ret;
	if (ctl_commands[i].is_alone)
		return ctl_commands[i].run(ctl);
	ctl->xs = xs_open(0);
	if (!ctl->xs)
		return ctl_error(CTL_FAILED, "cannot open xenstore: %s",
				 strerror(errno));
	ret = ctl_commands[i].run(ctl);
	xs_close(ctl->xs);
	return ret;
}

/* "2" or "0.5": seconds with at most one digit behind the point. */
static int ctl_interval(const char *text, unsigned int *ms)
{
	char whole[16];
	uint64_t seconds, tenths = 0;
	size_t length = strcspn(text, ".");

	if (length >= sizeof(whole))
		return -EINVAL;
	memcpy(whole, text, length);
	whole[length] = '\0';
	if (number_parse(whole, CTL_MAX_TIMEOUT, &seconds) ||
	    (text[length] && number_parse(text + length + 1, 9, &tenths)))
		return -EINVAL;
	*ms = (unsigned int)(seconds * 1000 + tenths * 100);
	return *ms ? 0 : -EINVAL;
}

/* @letters: (out) the options that were given, each once. */
static int ctl_parse(struct ctl *ctl, int argc, char **argv, char *letters)
{
	uint64_t value;
	int option;

	while ((option = getopt_long(argc, argv, "hVjfsoi:t:", ctl_options,
				     NULL)) != -1) {
		if (option != '?' && !strchr(letters, option))
			letters[strlen(letters)] = (char)option;
		switch (option) {
		case 'h':
			ctl_help(stdout);
			exit(CTL_OK);
		case 'V':
			puts("userptrctl " XU_VERSION);
			exit(CTL_OK);
		case 'j':
			ctl->json = true;
			break;
		case 'f':
			ctl->force = true;
			break;
		case 's':
			ctl->svg = true;
			break;
		case 'o':
			ctl->once = true;
			break;
		case 'i':
			if (ctl_interval(optarg, &ctl->interval_ms))
				return ctl_error(CTL_USAGE, "bad interval '%s', want 0.1 to %u.9",
						 optarg, CTL_MAX_TIMEOUT);
			break;
		case 't':
			if (number_parse(optarg, CTL_MAX_TIMEOUT, &value))
				return ctl_error(CTL_USAGE, "bad time '%s', want 0 to %u",
						 optarg, CTL_MAX_TIMEOUT);
			ctl->timeout_s = (unsigned int)value;
			break;
		default:
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .timeout_s = CTL_TIMEOUT_S, .interval_ms = 1000 };
	char letters[sizeof(ctl_options) / sizeof(ctl_options[0])] = "";
	int ret;

	ret = ctl_parse(&ctl, argc, argv, letters);
	if (ret == CTL_OK && optind == argc)
		ret = CTL_USAGE;
	if (ret != CTL_OK) {
		ctl_help(stderr);
		return ret;
	}
	ctl.args = argv + optind + 1;
	ctl.nr_args = argc - optind - 1;
	ret = ctl_run(&ctl, argv[optind], letters);
	if (fflush(stdout) != 0 && ret == CTL_OK)
		ret = ctl_error(CTL_FAILED, "output: %s", strerror(errno));
	return ret;
}
