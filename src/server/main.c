/*
 * forebayd: reads the command line and does what it says.
 */
#include "base/log.h"
#include "child/spawner.h"
#include "module/cell.h"
#include "module/trial.h"
#include "server/check.h"
#include "server/options.h"
#include "server/server.h"

#include <stdlib.h>

int
main(int argc, char **argv)
{
	struct options o;

	options_parse(&o, argc, argv);
	if (o.is_verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	switch (o.action) {
	case OPTIONS_RUN:
		return server_run(o.path);
	case OPTIONS_CHECK:
		return check_run(o.path);
	case OPTIONS_DUMP:
		return check_dump(o.path);
	case OPTIONS_MATCH:
		return check_match(o.path, o.match);
	case OPTIONS_EXPLAIN:
		return check_explain(o.path, o.route, o.is_dot);
	case OPTIONS_TRY:
		return trial_serve(o.module, o.path);
	case OPTIONS_SERVE:
		return cell_serve(o.module, o.path);
	case OPTIONS_SPAWNER:
		return spawner_serve();
	case OPTIONS_VERSION:
		options_print_version();
		return EXIT_SUCCESS;
	case OPTIONS_HELP:
		options_print_help();
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		break;
	}
	return 2;
}
