/*
 * Runs every Check suite of suites.def in order. With arguments, runs only the
 * suites whose names start with one of them: tests/check_forebay base_ http_uri
 */
#include "child/spawner.h"
#include "module/cell.h"
#include "module/trial.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int check_cell_spawner(void);

/* ASan asks a program for its defaults. Each test ends a process of its own,
 * and the search for leaks at its end walks over all that the parent ever
 * freed and ASan still keeps: with the usual 256 MB, minutes in all. */
const char *__asan_default_options(void);

#define SUITE(name) Suite *suite_##name(void);
#include "suites.def"
#undef SUITE

static const struct {
	const char *name;
	Suite *(*make)(void);
} suites[] = {
#define SUITE(name) { #name, suite_##name },
#include "suites.def"
#undef SUITE
};

const char *
__asan_default_options(void)
{
	return "quarantine_size_mb=1";
}

static int
is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(name, argv[i], strlen(argv[i])) == 0)
			return 1;
	}
	return argc < 2;
}

int
main(int argc, char **argv)
{
	SRunner *runner = NULL;
	int failed;

	/* A module is tried by a copy of the program that loads it: here, of this one. */
	if (argc > 4 && strcmp(argv[1], "--try-module") == 0)
		return trial_serve(argv[2], argv[4]);
	/* And so are its processes, and the one that starts them. */
	if (argc > 4 && strcmp(argv[1], "--serve-module") == 0)
		return cell_serve(argv[2], argv[4]);
	if (argc > 1 && strcmp(argv[1], "--spawner") == 0)
		return getenv("CHECK_CELL_SPAWNER") ? check_cell_spawner() : spawner_serve();

	/* What hangs ends some time; what is slow, under a sanitizer beside other loads, is not it.
	 */
	setenv("CK_DEFAULT_TIMEOUT", "120", 0);
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		if (!is_wanted(suites[i].name, argc, argv))
			continue;
		if (runner)
			srunner_add_suite(runner, suites[i].make());
		else
			runner = srunner_create(suites[i].make());
	}
	if (!runner) {
		fprintf(stderr, "no suite has such a name; see tests/unit/suites.def\n");
		return EXIT_FAILURE;
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	printf("unit: %d passed, %d failed\n", srunner_ntests_run(runner) - failed, failed);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
