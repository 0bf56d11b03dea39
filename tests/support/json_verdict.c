/*
 * json_verdict FILE... prints a line per file: "accept FILE", or "refuse OFFSET FILE" with
 * the byte where the fault was seen. For tests/system/test_06_json_corpus.py.
 */
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>

enum { FILE_MAX = 1 << 20 };

static int
judge(const char *path, char *memory)
{
	FILE *file = fopen(path, "rb");
	size_t len, offset = 0;

	if (!file) {
		perror(path);
		return 1;
	}
	len = fread(memory, 1, FILE_MAX, file);
	fclose(file);
	if (json_validate(slice_make(memory, len), JSON_DEPTH_MAX, &offset) == 0)
		printf("accept %s\n", path);
	else
		printf("refuse %zu %s\n", offset, path);
	return 0;
}

int
main(int argc, char **argv)
{
	char *memory = mem_alloc(FILE_MAX);
	int failed = 0;

	if (!memory)
		return 1;
	for (int i = 1; i < argc; i++)
		failed |= judge(argv[i], memory);
	mem_free(&memory);
	return failed;
}
