/*
 * What the fuzz targets share. Each tests/fuzz/fuzz_<name>.c defines
 * LLVMFuzzerTestOneInput, which must hold its promises for any bytes. Linked
 * with libFuzzer (--enable-fuzz) it searches for new inputs; linked with
 * replay_main.c, as in every other build, it replays tests/fuzz/corpus/<name>/.
 */
#ifndef FOREBAY_TESTS_FUZZ_H
#define FOREBAY_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* A broken promise: says which, and ends the process so that the input is kept. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__,         \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
