/*
 * The guard `auth`: who asks. Its keys, the files behind them, and its life with the site and with
 * each worker; see auth_priv.h for the way of a request.
 */
#include "guard/auth_priv.h"

#include "base/mem.h"
#include "base/utf8.h"

/* Verdicts that a worker remembers for each section, of each kind: 160 KiB. */
enum { RECALL_ENTRIES = 2048, CHALLENGE_BYTES = 768, REALM_BYTES = 256 };

#define HOUR INT64_C(3600000000000)

static const char *const types[] = { "basic", "jwt", NULL };

static const struct conf_key section_keys[] = {
	{ "type", CONF_WORD, CONF_FIELD(struct auth_conf, type), .flags = CONF_REQUIRED,
	  .words = types,
	  .help = "how clients say who they are: user and password (RFC 7617), or a bearer token "
		  "(RFC 6750) that is a JSON Web Token (RFC 7519)" },
	{ "realm", CONF_TEXT, CONF_FIELD(struct auth_conf, realm), .def = "Forebay",
	  .help = "what clients are told that they are asked for" },
	{ "users_file", CONF_PATH, CONF_FIELD(struct auth_conf, users_file),
	  .help = "of basic: lines of NAME:HASH, as htpasswd -B writes them; hashes of bcrypt or "
		  "argon2id" },
	{ "key_file", CONF_PATH, CONF_FIELD(struct auth_conf, key_file),
	  .help =
	      "of jwt: a public key or certificate in PEM; of HS256 alone a secret, which is all "
	      "of the file but a line end at its end" },
	{ "jwks_file", CONF_PATH, CONF_FIELD(struct auth_conf, jwks_file),
	  .help = "of jwt, instead of key_file: a JSON Web Key Set, from which the kid of a token "
		  "chooses" },
	{ "algorithms", CONF_WORDS, CONF_FIELD(struct auth_conf, algorithms),
	  .words = jwt_algorithms,
	  .help = "of jwt, required: those that tokens may be signed with" },
	{ "issuer", CONF_LIST, CONF_FIELD(struct auth_conf, issuer),
	  .help = "of jwt: a token must be of one of these; not set: of anybody" },
	{ "audience", CONF_LIST, CONF_FIELD(struct auth_conf, audience),
	  .help = "of jwt: a token must be for one of these; not set: it must be for nobody in "
		  "particular" },
	{ "scope", CONF_LIST, CONF_FIELD(struct auth_conf, scope),
	  .help = "of jwt: a token must have all of these scopes, else the answer is 403" },
	{ "require.", CONF_FAMILY, CONF_FIELD(struct auth_conf, require),
	  .help =
	      "of jwt: the claim of that name (or path, with points) must be this text, or be an "
	      "array that holds it" },
	{ "must_expire", CONF_BOOL, CONF_FIELD(struct auth_conf, must_expire), .def = "yes",
	  .help = "of jwt: refuse tokens without exp" },
	{ "leeway", CONF_DURATION, CONF_FIELD(struct auth_conf, leeway), .def = "30s", .max = HOUR,
	  .help = "of jwt: how far the issuer's clock may be off" },
	{ "user_claim", CONF_TEXT, CONF_FIELD(struct auth_conf, user_claim), .def = "sub",
	  .help = "of jwt: the claim that is {request.user}; where this is set, to sub or another, "
		  "tokens without it are refused, else they have no {request.user}" },
	{ "cookie", CONF_TEXT, CONF_FIELD(struct auth_conf, cookie),
	  .help = "of jwt: a cookie that holds the token, when there is no Authorization field; "
		  "the answers "
		  "then say Cache-Control: private and Vary: Cookie" },
	{ "pool", CONF_TEXT, CONF_FIELD(struct auth_conf, pool), .def = "compute",
	  .help =
	      "where passwords, and tokens of ES256, EdDSA and long keys of RSA, are verified" },
	{ "cache", CONF_DURATION, CONF_FIELD(struct auth_conf, cache), .def = "60s",
	  .max = 24 * HOUR,
	  .help = "how long each worker remembers that credentials were right; 0: not at all" },
	CONF_KEYS_END,
};

struct auth_route_conf {
	struct conf_list auth;
	bool forwards;
};

static const struct conf_key route_keys[] = {
	{ "auth", CONF_LIST, CONF_FIELD(struct auth_route_conf, auth),
	  .help = "who may ask: whoever one of these [auth NAME] sections knows" },
	{ "forward_authorization", CONF_BOOL, CONF_FIELD(struct auth_route_conf, forwards),
	  .def = "yes",
	  .help = "with auth: whether the Authorization field goes on to where all other fields "
		  "go" },
	CONF_KEYS_END,
};

/* --- one section ------------------------------------------------------------------------- */

/* Keys that mean something with one type alone. */
static const struct {
	const char *key;
	enum auth_type type;
} owners[] = {
	{ "users_file", AUTH_BASIC }, { "key_file", AUTH_JWT },    { "jwks_file", AUTH_JWT },
	{ "algorithms", AUTH_JWT },   { "issuer", AUTH_JWT },      { "audience", AUTH_JWT },
	{ "scope", AUTH_JWT },        { "must_expire", AUTH_JWT }, { "leeway", AUTH_JWT },
	{ "user_claim", AUTH_JWT },   { "cookie", AUTH_JWT },
};

static void
check_owners(const struct auth_conf *c, struct conf_section *section, struct conf_errors *e)
{
	for (unsigned i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		if (owners[i].type != c->type && conf_entry(section, owners[i].key))
			conf_error_at(e, section, owners[i].key, "that is a key of type = %s",
				      types[owners[i].type]);
	}
	for (size_t i = 0; i < c->require.count && c->type != AUTH_JWT; i++)
		conf_error_at(e, section, c->require.at[i].entry->key.at,
			      "that is a key of type = jwt");
}

static void
find_pool(struct auth_section *s, struct conf_section *section, struct guard_build *b)
{
	struct slice name = s->conf.pool;

	s->pool = b->find_pool(b->argument, name);
	if (s->pool) {
		char text[128];
		struct writer w = writer_over(text, sizeof(text));

		writer_text(&w, "auth ");
		writer_put(&w, s->name);
		s->cost = pool_cost(s->pool, writer_slice(&w), 0);
		return;
	}
	conf_error_no_section(b->errors, section, "pool", "pool", name);
}

static int
open_users(struct auth_section *s, struct conf_section *section, struct guard_build *b)
{
	const char *path = s->conf.users_file.at, *why = NULL;
	int err;

	if (s->conf.users_file.len == 0) {
		conf_error_at(b->errors, section, NULL, "type = basic asks for users_file");
		return 0;
	}
	err = users_read(&s->users, path, b->arena, b->errors, &why);
	if (err == ERR_FAILED)
		conf_error_at(b->errors, section, "users_file", "%s: %s", path, why);
	if (!err && s->users.count == 0)
		conf_warning_at(b->errors, section, "users_file", "%s: nobody is in it", path);
	return err == ERR_MEMORY ? err : 0;
}

static int
open_keys(struct auth_section *s, struct conf_section *section, struct guard_build *b)
{
	const struct auth_conf *c = &s->conf;
	bool is_set = c->jwks_file.len > 0;
	const char *key = is_set ? "jwks_file" : "key_file", *why = NULL;
	const char *path = is_set ? c->jwks_file.at : c->key_file.at;
	unsigned place = 0;
	int err;

	if (is_set == (c->key_file.len > 0)) {
		conf_error_at(b->errors, section, is_set ? "jwks_file" : NULL,
			      "type = jwt asks for one of key_file and jwks_file");
		return 0;
	}
	if (c->algorithms == 0) {
		conf_error_at(b->errors, section, NULL, "type = jwt asks for algorithms");
		return 0;
	}
	err = is_set ? keyring_read_set(&s->keyring, path, c->algorithms, b->arena, &why, &place)
		     : keyring_read_file(&s->keyring, path, c->algorithms, b->arena, &why);
	if (err == ERR_FAILED && place)
		conf_error_at(b->errors, section, key, "%s: key %u: %s", path, place, why);
	else if (err == ERR_FAILED)
		conf_error_at(b->errors, section, key, "%s: %s", path, why);
	return err == ERR_MEMORY ? err : 0;
}

/* An algorithm without a key is a mistake that nobody would see. */
static void
check_algorithms(const struct auth_section *s, struct conf_section *section, struct conf_errors *e)
{
	unsigned lacking = s->keyring.count ? s->conf.algorithms : 0;

	for (unsigned i = 0; i < s->keyring.count; i++)
		lacking &= ~(1u << s->keyring.at[i].algorithm);
	for (unsigned i = 0; i < JWT_ALGORITHMS; i++) {
		if (lacking >> i & 1)
			conf_warning_at(e, section, "algorithms", "there is no key for %s",
					jwt_algorithms[i]);
	}
}

static bool
is_realm(struct slice realm)
{
	for (size_t i = 0; i < realm.len; i++) {
		if ((unsigned char)realm.at[i] < 0x20 || (unsigned char)realm.at[i] > 0x7e)
			return false;
	}
	return realm.len <= REALM_BYTES;
}

/* What goes into a challenge, and what could never be found. */
static void
check_names(const struct auth_conf *c, struct conf_section *section, struct conf_errors *e)
{
	if (c->user_claim.len == 0)
		conf_error_at(e, section, "user_claim",
			      "is empty: it is the name of a claim, such as sub");
	if (c->cookie.len > 0 && !field_is_token(c->cookie))
		conf_error_at(e, section, "cookie", "%s is no name of a cookie",
			      conf_quote(c->cookie).text);
	for (size_t i = 0; i < c->scope.count; i++) {
		struct slice s = c->scope.at[i];

		/* RFC 6749 3.3 */
		if (!is_realm(s) || slice_find(s, ' ') < s.len || slice_find(s, '"') < s.len ||
		    slice_find(s, '\\') < s.len)
			conf_error_at(e, section, "scope", "%s is no scope", conf_quote(s).text);
	}
}

/* A quoted string of RFC 9110 5.6.4. */
static void
write_quoted(struct writer *w, struct slice s)
{
	writer_char(w, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			writer_char(w, '\\');
		writer_char(w, s.at[i]);
	}
	writer_char(w, '"');
}

static int
make_challenge(struct auth_section *s, struct conf_section *section, struct guard_build *b)
{
	char *memory = arena_alloc(b->arena, CHALLENGE_BYTES);
	struct writer w = writer_over(memory, memory ? CHALLENGE_BYTES : 0);

	if (!is_realm(s->conf.realm)) {
		conf_error_at(b->errors, section, "realm",
			      "a realm is printable ASCII, and at most 256 characters");
		return 0;
	}
	writer_text(&w, s->conf.type == AUTH_BASIC ? "Basic realm=" : "Bearer realm=");
	write_quoted(&w, s->conf.realm);
	/* RFC 7617 2.1: how we compare what is not ASCII. */
	if (s->conf.type == AUTH_BASIC)
		writer_text(&w, ", charset=\"UTF-8\"");
	s->challenge = writer_slice(&w);
	return memory ? 0 : ERR_MEMORY;
}

static int
open_section(struct auth_section *s, struct conf_section *section, struct guard_build *b)
{
	const struct conf_table table = { section_keys, &s->conf };
	const struct auth_conf *c = &s->conf;
	int err = conf_fill(section, &table, 1, b->errors);

	if (err)
		return err == ERR_MEMORY ? err : 0;
	check_owners(c, section, b->errors);
	check_names(c, section, b->errors);
	find_pool(s, section, b);
	s->terms = (struct claims_terms){
		.issuer = c->issuer,
		.audience = c->audience,
		.scope = c->scope,
		.require = c->require,
		.user = c->user_claim,
		.must_name_user = conf_is_set(section, "user_claim"),
		.leeway_ns = c->leeway,
		.must_expire = c->must_expire,
	};
	err = c->type == AUTH_BASIC ? open_users(s, section, b) : open_keys(s, section, b);
	check_algorithms(s, section, b->errors);
	return err ? err : make_challenge(s, section, b);
}

/* --- the site ------------------------------------------------------------------------------- */

static int
open_auth(void **state, const void *prior, struct guard_build *b)
{
	struct auth_state *all = arena_zalloc(b->arena, 1, sizeof(*all));
	struct conf_section *section = NULL;
	unsigned count = 0;
	int err = 0;

	(void)prior; /* files are read anew, and what was remembered of the old ones is not true */
	*state = all;
	while ((section = conf_next(b->conf, "auth", section)) != NULL)
		count++;
	if (!all)
		return ERR_MEMORY;
	all->at = arena_zalloc(b->arena, count ? count : 1, sizeof(*all->at));
	if (!all->at)
		return ERR_MEMORY;
	while (!err && (section = conf_next(b->conf, "auth", section)) != NULL) {
		struct auth_section *s = &all->at[all->count];

		s->name = section->name;
		s->place = all->count++;
		err = open_section(s, section, b);
	}
	return err;
}

static bool
uses_pool(const void *state, const struct pool *p)
{
	const struct auth_state *all = state;

	for (unsigned i = 0; all && i < all->count; i++) {
		if (all->at[i].pool == p)
			return true;
	}
	return false;
}

static void
close_auth(void **state)
{
	struct auth_state *all = *state;

	for (unsigned i = 0; all && i < all->count; i++)
		keyring_close(&all->at[i].keyring);
	*state = NULL;
}

static const struct auth_section *
find_section(const struct auth_state *all, struct slice name, struct conf_section *route,
	     struct guard_build *b)
{
	for (unsigned i = 0; i < all->count; i++) {
		if (slice_eq(all->at[i].name, name))
			return &all->at[i];
	}
	conf_error_no_section(b->errors, route, "auth", "auth", name);
	return NULL;
}

static const struct guard *
load_auth(void *state, const void *conf, struct conf_section *route, struct guard_build *b)
{
	const struct auth_route_conf *c = conf;
	struct auth_guard *g;

	if (c->auth.count == 0)
		return NULL;
	g = arena_zalloc(b->arena, 1, sizeof(*g));
	if (g)
		g->section = arena_zalloc(b->arena, c->auth.count, sizeof(struct auth_section *));
	if (!g || !g->section)
		return NULL;
	g->guard.kind = &guard_auth;
	g->forwards = c->forwards;
	for (size_t i = 0; i < c->auth.count; i++) {
		const struct auth_section *s = find_section(state, c->auth.at[i], route, b);

		if (!s)
			return NULL;
		g->section[g->count++] = s;
	}
	return &g->guard;
}

/* --- a worker --------------------------------------------------------------------------------- */

static int
attach_auth(const void *state, struct lease *l, void **attached)
{
	const struct auth_state *all = state;
	struct auth_desk *d;

	if (!all || all->count == 0)
		return 0;
	d = mem_zalloc(1, sizeof(*d) + all->count * sizeof(d->recall[0]));
	if (!d)
		return ERR_MEMORY;
	*attached = d;
	d->lease = l;
	d->count = all->count;
	list_init(&d->verifications);
	for (unsigned i = 0; i < all->count; i++) {
		d->recall[i] = recall_new(RECALL_ENTRIES);
		if (!d->recall[i])
			return ERR_MEMORY;
	}
	return 0;
}

static void
detach_auth(const void *state, struct lease *l, void **attached)
{
	struct auth_desk *d = *attached;

	(void)state;
	(void)l;
	for (unsigned i = 0; d && i < d->count; i++)
		recall_free(&d->recall[i]);
	mem_free(attached);
}

const struct guard_kind guard_auth = {
	.name = "auth",
	.section = "auth",
	.section_keys = section_keys,
	.keys = route_keys,
	.conf_size = sizeof(struct auth_route_conf),
	.open = open_auth,
	.load = load_auth,
	.uses_pool = uses_pool,
	.close = close_auth,
	.attach = attach_auth,
	.detach = detach_auth,
	.check = auth_check,
	.cancel = auth_cancel,
};
