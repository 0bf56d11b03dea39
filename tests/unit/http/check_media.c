/*
 * Media types by file name.
 */
#include "http/media.h"

#include <check.h>

Suite *suite_http_media(void);

static const struct {
	struct slice extension, type;
} all[] = {
#define MEDIA(extension, type) { SLICE_INIT(extension), SLICE_INIT(type) },
#include "http/media.def"
#undef MEDIA
};

START_TEST(every_row_is_found)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char path[32] = "a/b.c.";

		ck_assert_uint_lt(all[i].extension.len, 12);
		memcpy(path + 6, all[i].extension.at, all[i].extension.len);
		ck_assert_msg(slice_eq(media_type_of(slice_of(path)), all[i].type), "%s", path);
	}
}
END_TEST

START_TEST(rows_are_sorted)
{
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++)
		ck_assert_msg(slice_compare(all[i - 1].extension, all[i].extension) < 0, "%s",
			      all[i].extension.at);
}
END_TEST

START_TEST(only_the_last_dot_of_the_last_segment_counts)
{
	static const struct {
		const char *path, *type;
	} rows[] = {
		{ "INDEX.HTML", "text/html; charset=utf-8" },
		{ "a.css/b.js", "text/javascript; charset=utf-8" },
		{ "a.tar.gz", "application/gzip" },
		{ "a.css/b", "application/octet-stream" },
		{ "css", "application/octet-stream" },
		{ "", "application/octet-stream" },
		{ "a.", "application/octet-stream" },
		{ "a.unheardof", "application/octet-stream" },
		{ "a.longerthananyrow", "application/octet-stream" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(
		    slice_eq(media_type_of(slice_of(rows[i].path)), slice_of(rows[i].type)), "%s",
		    rows[i].path);
}
END_TEST

Suite *
suite_http_media(void)
{
	Suite *s = suite_create("http/media");
	TCase *t = tcase_create("all");

	tcase_add_test(t, every_row_is_found);
	tcase_add_test(t, rows_are_sorted);
	tcase_add_test(t, only_the_last_dot_of_the_last_segment_counts);
	suite_add_tcase(s, t);
	return s;
}
