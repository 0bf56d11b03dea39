/*
 * An exchange to log; see bench.h.
 */
#include "bench.h"

#include "base/clock.h"

#include <check.h>
#include <stdio.h>

/* 2026-01-02T03:04:05.678Z */
#define WALL_NS (UINT64_C(1767323045678) * CLOCK_MS)

static int
find_peer(const struct exchange *x, struct address *peer)
{
	(void)x;
	return address_parse(peer, SLICE("192.0.2.7:443"));
}

static const struct exchange_ops ops = { .peer = find_peer };

void
bench_open(struct bench *b)
{
	*b = (struct bench){ 0 };
	store_init(&b->store);
	arena_init(&b->arena, &b->store, 1 << 20);
	ck_assert_int_eq(address_parse(&b->client, SLICE("127.0.0.1:5000")), 0);
	b->x = (struct exchange){
		.ops = &ops,
		.client = &b->client,
		.id = 0x1f,
		.begun_ns = 7 * CLOCK_SEC,
		.body_sent = 12,
		.body_received = 3,
		.is_head_sent = true,
		.request = { .method = METHOD_GET,
			     .method_name = SLICE("GET"),
			     .version = HTTP_1_1,
			     .target = SLICE("/a?b=c"),
			     .raw_path = SLICE("/a"),
			     .query = SLICE("b=c"),
			     .fields = { .at = b->request_fields, .cap = BENCH_FIELDS } },
		.response = { .status = 200,
			      .fields = { .at = b->response_fields, .cap = BENCH_FIELDS } },
	};
	b->e = (struct access_entry){ .x = &b->x,
				      .route = SLICE("r"),
				      .ended_ns = b->x.begun_ns + 1500 * CLOCK_US,
				      .wall_ns = WALL_NS };
}

static void
drop_conf(struct bench *b)
{
	if (b->conf)
		conf_errors_fini(&b->errors);
	conf_free(&b->conf);
}

void
bench_close(struct bench *b)
{
	drop_conf(b);
	arena_fini(&b->arena);
	ck_assert_uint_eq(b->store.out, 0);
	store_fini(&b->store);
}

void
bench_read(struct bench *b, const char *keys)
{
	const struct conf_table table = { access_keys, &b->keys };
	struct writer w = writer_over(b->said, sizeof(b->said) - 1);
	char text[2048];
	struct conf_section *s;

	drop_conf(b);
	snprintf(text, sizeof(text), "[access_log]\n%s\n", keys);
	conf_errors_init(&b->errors);
	b->conf = conf_read(slice_of(text), "conf", &b->errors);
	ck_assert_ptr_nonnull(b->conf);
	s = conf_find(b->conf, SLICE("access_log"), SLICE(""));
	ck_assert_int_eq(conf_fill(s, &table, 1, &b->errors), 0);
	b->format = access_format_new(&b->arena, &b->keys, s, &b->errors);
	conf_errors_write(&b->errors, &w);
	b->said[w.len] = '\0';
	ck_assert_int_eq(b->format == NULL, b->errors.errors > 0);
}

void
bench_add(struct fields *fields, const char *name, struct slice value)
{
	ck_assert_int_eq(fields_add_name(fields, slice_of(name), value), 0);
}

const char *
bench_line(struct bench *b)
{
	struct writer w = writer_over(b->line, sizeof(b->line));

	access_line_write(b->format, &b->e, &b->clock, SIZE_MAX, &w);
	ck_assert(!w.is_full);
	ck_assert_int_eq(b->line[w.len - 1], '\n');
	b->line[w.len - 1] = '\0';
	ck_assert_ptr_null(strchr(b->line, '\n'));
	return b->line;
}

const char *
bench_template(struct bench *b, const char *template)
{
	char text[1024];

	snprintf(text, sizeof(text), "format = %s", template);
	bench_read(b, text);
	ck_assert_str_eq(b->said, "");
	return bench_line(b);
}
