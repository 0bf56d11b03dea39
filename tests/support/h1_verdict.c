/*
 * h1_verdict request|response [FILE...] reads each file (or standard input) as one
 * HTTP/1 stream and prints what the codec makes of it: a line per message ("message
 * METHOD-OR-STATUS BODY-BYTES"), and a last one per stream:
 *
 *     end FILE | more FILE | surplus N FILE | refused STATUS REASON, FILE
 *
 * end: after a whole message; more: within one; surplus: bytes behind the last
 * message of a connection. For tests/system/test_05_corpora.py.
 */
#include "base/err.h"
#include "base/mem.h"
#include "wire/chunked.h"
#include "wire/h1_head.h"

#include <inttypes.h>
#include <stdio.h>

enum { FILE_MAX = 1 << 20, MAX_FIELDS = 100 };

static const struct h1_limits limits = {
	.max_head_bytes = 16384,
	.max_fields = MAX_FIELDS,
	.max_target = 8192,
};

struct message {
	struct field at[MAX_FIELDS];
	enum body_framing framing;
	uint64_t length;
	bool keeps_alive;
	struct h1_parse parse;
};

static int
parse_head(bool is_request, struct slice in, struct message *m)
{
	struct request request = { .fields = { .at = m->at, .cap = MAX_FIELDS } };
	struct response response = { .fields = { .at = m->at, .cap = MAX_FIELDS } };
	int result;

	if (is_request) {
		result = h1_request_parse(&request, in, &limits, &m->parse);
		m->framing = request.framing;
		m->length = request.content_length;
		m->keeps_alive = request.keeps_alive;
		if (result == H1_DONE)
			printf("message %.*s", SLICE_PRINT(request.method_name));
	} else {
		result = h1_response_parse(&response, METHOD_GET, in, &limits, &m->parse);
		m->framing = response.framing;
		m->length = response.content_length;
		m->keeps_alive = response.keeps_alive;
		if (result == H1_DONE)
			printf("message %d", response.status);
	}
	return result;
}

static int
take_chunked(struct slice *in, uint64_t *bytes)
{
	struct chunked c;
	struct slice data;
	int err = 0;

	chunked_init(&c, limits.max_head_bytes);
	while (in->len && err == 0 && c.state != CHUNKED_END) {
		err = chunked_decode(&c, in, &data);
		*bytes += data.len;
	}
	return err < 0 ? err : c.state == CHUNKED_END ? H1_DONE : H1_MORE;
}

static int
take_body(const struct message *m, struct slice *in)
{
	uint64_t bytes = 0;
	int result = H1_DONE;

	if (m->framing == BODY_CHUNKED)
		result = take_chunked(in, &bytes);
	else if (m->framing == BODY_UNTIL_CLOSE)
		bytes = in->len;
	else if (m->framing == BODY_LENGTH)
		bytes = m->length < in->len ? m->length : in->len;
	if (m->framing == BODY_LENGTH && bytes < m->length)
		result = H1_MORE;
	if (m->framing != BODY_CHUNKED)
		*in = slice_after(*in, (size_t)bytes);
	printf(" %" PRIu64 "\n", bytes);
	return result;
}

static void
judge(bool is_request, struct slice in, const char *name)
{
	struct message m = { .keeps_alive = true };
	int result = H1_DONE;

	while (in.len && result == H1_DONE && m.keeps_alive) {
		result = parse_head(is_request, in, &m);
		if (result != H1_DONE)
			break;
		in = slice_after(in, m.parse.bytes);
		result = take_body(&m, &in);
		m.parse = (struct h1_parse){ .status = 400, .reason = "a malformed chunk" };
	}
	if (result < 0)
		printf("refused %d %s, %s\n", m.parse.status, m.parse.reason, name);
	else if (result == H1_MORE)
		printf("more %s\n", name);
	else if (in.len)
		printf("surplus %zu %s\n", in.len, name);
	else
		printf("end %s\n", name);
}

static int
judge_file(bool is_request, FILE *file, const char *name)
{
	char *memory = mem_alloc(FILE_MAX), *exact;
	size_t len = file && memory ? fread(memory, 1, FILE_MAX, file) : 0;

	/* In memory of its own size, so that a sanitizer sees a byte read too far. */
	exact = mem_alloc(len + 1);
	if (!file || !memory || !exact) {
		perror(name);
	} else {
		memcpy(exact + 1, memory, len);
		judge(is_request, slice_make(exact + 1, len), name);
	}
	mem_release(exact);
	mem_release(memory);
	return file ? 0 : 1;
}

int
main(int argc, char **argv)
{
	bool is_request = argc > 1 && strcmp(argv[1], "request") == 0;
	int failed = 0;

	if (argc < 2)
		return 2;
	if (argc == 2)
		return judge_file(is_request, stdin, "-");
	for (int i = 2; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");

		failed |= judge_file(is_request, file, argv[i]);
		if (file)
			fclose(file);
	}
	return failed;
}
