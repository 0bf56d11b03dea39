/*
 * Replays inputs through one fuzz target where libFuzzer is not linked:
 *
 *     tests/fuzz/fuzz_address FILE-OR-FOLDER...
 *
 * Every file, and every file in a folder below, is run whole, cut short at
 * many places, and with single bytes changed. Each input ends at a page
 * that may not be touched, so that reading one byte too far ends the process
 * in every build, not only under ASan. Prints the path before a crash would
 * hide it (the name stays in `current`) and the counts at the end.
 */
#include "fuzz.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	VARIANTS_MAX = 200, /* of each sort, of one file */
	VARIANT_BYTES_MAX = 1 << 17, /* their sum: a long file has few */
	INPUT_MAX = 1 << 20,
	PAGE = 4096,
	FOLDERS_OPEN = 16,
};

static char *fence; /* the first byte that may not be touched */
static uint8_t original[INPUT_MAX];
static unsigned long files, runs;
static char current[1024];

static void
run(const uint8_t *bytes, size_t len)
{
	uint8_t *at = (uint8_t *)fence - len;

	if (len)
		memcpy(at, bytes, len);
	LLVMFuzzerTestOneInput(at, len);
	runs++;
}

/* How far apart the places are at which a file is cut or changed. */
static size_t
step_of(size_t len)
{
	size_t places = VARIANT_BYTES_MAX / (len + 1) + 1;

	return len / (places < VARIANTS_MAX ? places : VARIANTS_MAX) + 1;
}

static void
run_cut(size_t len)
{
	size_t step = step_of(len);

	for (size_t n = 0; n < len; n += step)
		run(original, n);
}

/* Bytes that mean something to one grammar or another, one at a time. */
static void
run_changed(size_t len)
{
	static const char meant[] = "\0\r\n \t:;,/%{}[]\"\\0\x7f\x80\xff";
	size_t step = step_of(len);
	size_t which = 0;

	for (size_t n = 0; n < len; n += step) {
		uint8_t kept = original[n];

		original[n] = (uint8_t)meant[which++ % (sizeof(meant) - 1)];
		run(original, len);
		original[n] = kept;
	}
}

static int
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t len;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	len = fread(original, 1, sizeof(original), file);
	fclose(file);
	snprintf(current, sizeof(current), "%s", path);
	files++;
	run(original, len);
	run_cut(len);
	run_changed(len);
	return 0;
}

static int
on_path(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)where;
	return type == FTW_F && S_ISREG(status->st_mode) ? replay_file(path) : 0;
}

static void
on_crash(int signal_number)
{
	static const char text[] = "\nthe input was made from: ";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) > 0 &&
	    write(STDERR_FILENO, current, strlen(current)) > 0 && write(STDERR_FILENO, "\n", 1) > 0)
		signal(signal_number, SIG_DFL);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

int
main(int argc, char **argv)
{
	char *memory = mmap(NULL, INPUT_MAX + PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory + INPUT_MAX, PAGE, PROT_NONE) != 0) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	fence = memory + INPUT_MAX;
	signal(SIGABRT, on_crash);
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue; /* an option of libFuzzer's */
		if (nftw(argv[i], on_path, FOLDERS_OPEN, FTW_PHYS) != 0) {
			fprintf(stderr, "%s: cannot be replayed\n", argv[i]);
			return EXIT_FAILURE;
		}
	}
	munmap(memory, INPUT_MAX + PAGE);
	printf("%lu inputs, %lu runs\n", files, runs);
	return files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
