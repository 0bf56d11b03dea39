/*
 * The command line; see options.h.
 */
#include "server/options.h"

#include "auth/password.h"
#include "config.h"
#include "module/sandbox.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "proto/conn.h"
#include "server/notify.h"

#include <forebay_module.h>
#include <getopt.h>
#include <stdio.h>

#ifndef FOREBAY_SYSCONFDIR
#define FOREBAY_SYSCONFDIR "/etc/forebay"
#endif

void
options_print_help(void)
{
	printf("forebayd: an asynchronous HTTP request engine\n"
	       "\n"
	       "  forebayd [-v] [-c FILE]              run in the foreground; SIGTERM drains it\n"
	       "  forebayd -t [-c FILE]                check the configuration, name all errors\n"
	       "  forebayd --dump [-c FILE]            print it, with all defaults\n"
	       "  forebayd --match 'GET /x' [-c FILE]  which route answers, what it captures\n"
	       "  forebayd --explain ROUTE [-c FILE]   its plan: order, worst time, memory\n"
	       "  forebayd --explain ROUTE --dot       the same for Graphviz\n"
	       "  forebayd --version                   version, and what it was built with\n"
	       "\n"
	       "  -c, --config FILE   default " FOREBAY_SYSCONFDIR "/forebay.conf\n"
	       "  -v, --verbose       log what clients and peers do wrong, too\n"
	       "  -h, --help          this text\n");
}

#ifndef COMPRESS_BUILT_WITH
#define COMPRESS_BUILT_WITH "no"
#endif
#ifndef CMARK_BUILT_WITH
#define CMARK_BUILT_WITH "no"
#endif
#ifndef VIPS_BUILT_WITH
#define VIPS_BUILT_WITH "no"
#endif
#ifndef SQLITE_BUILT_WITH
#define SQLITE_BUILT_WITH "no"
#endif

#ifndef LIBPQ_BUILT_WITH
#define LIBPQ_BUILT_WITH "no"
#endif

void
options_print_version(void)
{
	printf("forebay %s\n", PACKAGE_VERSION);
	printf("  libevent   %s\n", loop_library_version());
	printf("  openssl    %s\n", OPENSSL_BUILT_WITH);
	printf("  sqlite     %s\n", SQLITE_BUILT_WITH);
	printf("  libpq      %s\n", LIBPQ_BUILT_WITH);
	printf("  nghttp2    %s\n", conn_h2_version());
	printf("  c-ares     %s\n", resolver_library_version() ? resolver_library_version() : "no");
	printf("  passwords  %s\n", password_kinds());
	printf("  systemd    %s\n", notify_library_version());
	printf("  modules    ABI %d, in %s\n", FOREBAY_MODULE_ABI, FOREBAY_MODULEDIR);
	printf("  compress   %s\n", COMPRESS_BUILT_WITH);
	printf("  markdown   %s\n", CMARK_BUILT_WITH);
	printf("  image      %s\n", VIPS_BUILT_WITH);
	printf("  seccomp    %s\n", sandbox_library_version());
}

static const struct option longs[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "dot", no_argument, NULL, 'D' },
	{ "dump", no_argument, NULL, 'd' },
	{ "explain", required_argument, NULL, 'e' },
	{ "help", no_argument, NULL, 'h' },
	{ "match", required_argument, NULL, 'm' },
	{ "serve-module", required_argument, NULL, 'J' },
	{ "spawner", no_argument, NULL, 'S' },
	{ "test", no_argument, NULL, 't' },
	{ "try-module", required_argument, NULL, 'M' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void
take(struct options *o, int letter)
{
	switch (letter) {
	case 'c':
		o->path = optarg;
		break;
	case 'd':
		o->action = OPTIONS_DUMP;
		break;
	case 'D':
		o->is_dot = 1;
		break;
	case 'e':
		o->action = OPTIONS_EXPLAIN;
		o->route = optarg;
		break;
	case 'h':
		o->action = OPTIONS_HELP;
		break;
	case 'm':
		o->action = OPTIONS_MATCH;
		o->match = optarg;
		break;
	case 'M':
		o->action = OPTIONS_TRY;
		o->module = optarg;
		break;
	case 'J':
		o->action = OPTIONS_SERVE;
		o->module = optarg;
		break;
	case 'S':
		o->action = OPTIONS_SPAWNER;
		break;
	case 't':
		o->action = OPTIONS_CHECK;
		break;
	case 'v':
		o->is_verbose = 1;
		break;
	case 'V':
		o->action = OPTIONS_VERSION;
		break;
	default:
		o->action = OPTIONS_WRONG;
		break;
	}
}

void
options_parse(struct options *o, int argc, char **argv)
{
	int letter;

	*o = (struct options){ .action = OPTIONS_RUN, .path = FOREBAY_SYSCONFDIR "/forebay.conf" };
	while (o->action != OPTIONS_WRONG &&
	       (letter = getopt_long(argc, argv, "c:htvV", longs, NULL)) != -1)
		take(o, letter);
	if (o->action != OPTIONS_WRONG && optind < argc) {
		fprintf(stderr, "forebayd: %s: no argument is expected there\n", argv[optind]);
		o->action = OPTIONS_WRONG;
	}
	if (o->is_dot && o->action != OPTIONS_EXPLAIN && o->action != OPTIONS_WRONG) {
		fprintf(stderr, "forebayd: --dot is for --explain ROUTE\n");
		o->action = OPTIONS_WRONG;
	}
	if (o->action == OPTIONS_WRONG)
		fprintf(stderr, "forebayd: see forebayd --help\n");
}
