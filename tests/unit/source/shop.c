/*
 * A shop's database; see shop.h.
 */
#include "config.h"
#ifdef HAVE_SQLITE

#include "shop.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONF_BYTES = 2048 };

static const char schema[] =
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, score REAL, face BLOB);"
    "INSERT INTO users VALUES (1, 'Ada', 9.5, x'00ff10'), (2, 'Bj\xc3\xb6rn \"B\"', NULL, NULL),"
    " (3, CAST(x'ff41' AS TEXT), 9e999, x''), (42, '42', -1.0, NULL);"
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER, total INTEGER);"
    "INSERT INTO orders SELECT value, value % 4, value * 10 FROM "
    " (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1000)"
    "  SELECT value FROM n);";

void
shop_execute(struct shop *s, const char *sql)
{
	sqlite3 *db;
	char *message = NULL;

	ck_assert_int_eq(sqlite3_open(s->file, &db), SQLITE_OK);
	/* Nobody pulls the plug on a test. */
	sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s",
		      message ? message : "?");
	sqlite3_close(db);
}

void
shop_make_dir(struct shop *s)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/check_sql.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	snprintf(s->file, sizeof(s->file), "%s/shop.db", s->dir);
}

void
shop_open(struct shop *s)
{
	shop_make_dir(s);
	shop_execute(s, schema);
}

struct part *
shop_load_with(struct shop *s, const char *database_keys, const char *part_keys)
{
	static const struct slice path_params[] = { SLICE_INIT("id"), SLICE_INIT("other") };
	char conf[CONF_BYTES];

	snprintf(conf, sizeof(conf),
		 "[database shop]\nurl = sqlite:%s\n%s[subrequest r.p]\nsource = sql shop\n%s",
		 s->file, database_keys, part_keys);
	rig_open(&s->rig, conf);
	s->source = rig_load_source(&s->rig, &source_sql, "shop");
	return s->source ? rig_load_part(&s->rig, s->source, "r.p", path_params, 2) : NULL;
}

struct part *
shop_load(struct shop *s, const char *part_keys)
{
	struct part *p = shop_load_with(s, "", part_keys);

	ck_assert_msg(p != NULL, "%s", rig_errors(&s->rig));
	return p;
}

void
shop_close(struct shop *s)
{
	static const char *const tails[] = { "", "-wal", "-shm", "-journal" };

	rig_close(&s->rig);
	for (unsigned i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		char path[SHOP_PATH_BYTES + 32];
		snprintf(path, sizeof(path), "%s%s", s->file, tails[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(s->dir), 0);
}

void
shop_expect(struct shop *s, struct part *p, const char *expected)
{
	static struct rig_ask a;

	rig_ask_open(&s->rig, &a, p);
	ck_assert_int_eq(rig_ask_run(&s->rig, &a), 0);
	ck_assert_msg(slice_eq(rig_ask_body(&a), slice_of(expected)), "gave %.*s",
		      SLICE_PRINT(rig_ask_body(&a)));
	rig_ask_close(&a);
}

#endif
