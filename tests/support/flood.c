/*
 * Classes of requests at once, for overload: each an open loop with Poisson
 * arrivals, which come whatever the server does, or a closed loop of so many at
 * a time. Latency counts from the moment a request was meant to be sent.
 *
 *     tests/flood -p PORT -d SECONDS [-l LEAD_S] [-t DEADLINE_MS] [-g GIVE_UP_MS]
 *                 [-c CONNS] [-r ATTEMPTS] [-b FILE]
 *                 NAME:/PATH:RATE[@FROM_S-TO_S] | NAME:/PATH:xCONNS ...
 *
 * Counted is what is meant to be sent in SECONDS, after LEAD_S. Each class has
 * at most CONNS conns of its own, keep-alive, to 127.0.0.1, opened as they are
 * needed. A request that finds none waits for one; one without an answer after
 * GIVE_UP_MS is given up and its conn closed. A closed loop pauses for 20 ms
 * when it gets anything but an answer in time. So each request that was meant
 * ends as one of ok, late (in time or not; given up ones are late), refused
 * (429, 503) or failed. One thread; memory does not grow with time: arrivals
 * are drawn one by one, latencies go into histograms (error below 1 %).
 *
 * An open loop may have times of its own, in seconds after the lead. With -r a
 * request of one that is refused or given up is asked again, 100 ms later, up to
 * ATTEMPTS times in all, as long as fewer than 65,536 wait for that; each is
 * counted, and meant, for itself. NAME:POST/PATH:... sends the bytes of FILE.
 *
 * Prints one JSON object by class, latencies in microseconds, and by windows of
 * 250 ms, from from_ns of CLOCK_MONOTONIC, how many were meant and how many of them
 * were ok. It asks for
 * real-time priority, so that its own delays are not charged to the server;
 * `lag` is by how much it sent too late.
 */
#include "ticker.h"

#include <math.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
	HEAD_BYTES = 2048,
	EVENTS = 256,
	CONNS_MAX = 16384,
	CLASSES_MAX = 64,
	BUCKETS = 2048,
	WINDOWS = 480,
	AGAIN_MAX = 65536, /* that wait to be asked again, of a class */
};

#define NS_PER_MS UINT64_C(1000000)
#define PAUSE_NS  (20 * NS_PER_MS)
#define AGAIN_NS  (100 * NS_PER_MS)
#define WINDOW_NS (250 * NS_PER_MS)
#define NEVER     UINT64_MAX

enum fate { FATE_OK, FATE_LATE, FATE_REFUSED, FATE_FAILED, FATES };

/* Microseconds: exact below 128, then 64 buckets to each power of two. */
struct histogram {
	uint64_t count, max;
	uint64_t bucket[BUCKETS];
};

struct class;

struct conn {
	struct class *class;
	struct conn *prev, *next; /* among the busy ones, oldest request first; or the idle ones */
	uint64_t meant_ns;
	unsigned attempt; /* the first is 1 */
	int fd; /* -1: closed */
	bool is_connecting;
	bool is_reused; /* the server may have closed it just now: that is no failure */
	bool is_head_done, is_last;
	int status;
	uint32_t watched; /* of epoll */
	size_t sent; /* of the request */
	size_t len; /* of the head so far */
	size_t body_left;
	char head[HEAD_BYTES + 1];
};

/* Who is asked again: first come, first served, as all wait equally long. */
struct again {
	uint64_t due_ns;
	unsigned attempt; /* that it will be */
};

struct class
{
	char name[32];
	char *text; /* a whole request */
	size_t text_len;
	double rate; /* open: arrivals per second; 0: closed */
	size_t conns;
	double from_s, to_s; /* open: of the counted time; to_s 0: all of it, and the lead */
	struct again *again;
	size_t again_first, again_count;
	uint32_t window_meant[WINDOWS], window_ok[WINDOWS];
	uint64_t next_ns; /* when the next is meant to go; closed: not before it */
	struct conn *conn, *idle;
	struct conn *first, *last; /* busy */
	uint64_t meant, gave_up;
	struct histogram fate[FATES], lag;
};

struct flood {
	uint16_t port;
	double seconds, lead;
	uint64_t deadline_ns, give_up_ns;
	uint64_t count_from, end;
	uint64_t state; /* of the random gaps */
	size_t conns, classes;
	unsigned attempts; /* of a request, at most */
	const char *body_file;
	struct class class[CLASSES_MAX];
	struct ticker ticker;
};

/* --- histograms ------------------------------------------------------------------ */

static void
histogram_add(struct histogram *h, uint64_t ns)
{
	uint64_t us = ns / 1000 < UINT32_MAX ? ns / 1000 : UINT32_MAX;
	int octave = us < 128 ? 0 : 57 - __builtin_clzll(us);

	h->bucket[(uint64_t)octave * 64 + (us >> octave)]++;
	h->count++;
	if (us > h->max)
		h->max = us;
}

static void
histogram_merge(struct histogram *h, const struct histogram *other)
{
	for (size_t i = 0; i < BUCKETS; i++)
		h->bucket[i] += other->bucket[i];
	h->count += other->count;
	if (other->max > h->max)
		h->max = other->max;
}

/* The middle of the bucket in which that part of all lies. */
static double
histogram_quantile(const struct histogram *h, double part)
{
	uint64_t rank = (uint64_t)((double)(h->count - 1) * part), seen = 0;
	size_t i = 0;
	int octave;

	while (i < BUCKETS - 1 && (seen += h->bucket[i]) <= rank)
		i++;
	octave = i < 128 ? 0 : (int)(i / 64) - 1;
	return (double)((uint64_t)(i - (size_t)octave * 64) << octave) +
	       (double)((UINT64_C(1) << octave) - 1) / 2;
}

static void
histogram_print(const char *name, const struct histogram *h)
{
	static const struct {
		const char *name;
		double part;
	} wanted[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 } };

	printf(", \"%s\": {\"count\": %llu", name, (unsigned long long)h->count);
	for (size_t i = 0; h->count && i < sizeof(wanted) / sizeof(wanted[0]); i++)
		printf(", \"%s\": %.1f", wanted[i].name, histogram_quantile(h, wanted[i].part));
	if (h->count)
		printf(", \"max\": %llu", (unsigned long long)h->max);
	printf("}");
}

/* --- conns and their lists ---------------------------------------------------------- */

static void
conn_close(struct conn *c)
{
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 }; /* no port is left in TIME_WAIT */

	if (c->fd >= 0) {
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(c->fd);
	}
	c->fd = -1;
	c->is_connecting = false;
}

static void
busy_add(struct conn *c)
{
	struct class *k = c->class;

	c->next = NULL;
	c->prev = k->last;
	*(k->last ? &k->last->next : &k->first) = c;
	k->last = c;
}

static void
busy_remove(struct conn *c)
{
	struct class *k = c->class;

	*(c->prev ? &c->prev->next : &k->first) = c->next;
	*(c->next ? &c->next->prev : &k->last) = c->prev;
	c->next = k->idle;
	k->idle = c;
	c->meant_ns = 0;
}

static bool
is_counted(const struct flood *f, uint64_t meant_ns)
{
	return meant_ns >= f->count_from && meant_ns < f->end;
}

static void
count(struct flood *f, struct class *k, uint64_t meant_ns, enum fate fate)
{
	uint64_t now = now_ns();
	/* A closed loop is counted by what it finishes: it means nothing before. */
	uint64_t at = k->rate > 0 ? meant_ns : now;

	if (!is_counted(f, at))
		return;
	k->meant++;
	histogram_add(&k->fate[fate], now - meant_ns);
	at = (at - f->count_from) / WINDOW_NS;
	if (at < WINDOWS) {
		k->window_meant[at]++;
		k->window_ok[at] += fate == FATE_OK;
	}
}

/* Who was refused or has lost patience may come back. */
static void
ask_again(struct flood *f, struct class *k, unsigned attempt, enum fate fate)
{
	if (k->rate == 0 || attempt >= f->attempts || k->again_count == AGAIN_MAX ||
	    fate == FATE_OK || fate == FATE_FAILED)
		return;
	k->again[(k->again_first + k->again_count++) % AGAIN_MAX] =
	    (struct again){ now_ns() + AGAIN_NS, attempt + 1 };
}

static void
finish(struct flood *f, struct conn *c, enum fate fate)
{
	struct class *k = c->class;

	count(f, k, c->meant_ns, fate);
	ask_again(f, k, c->attempt, fate);
	busy_remove(c);
	/* Who is refused and asks again at once is a loop that does nothing else. */
	if (k->rate == 0 && fate != FATE_OK)
		k->next_ns = now_ns() + PAUSE_NS;
}

static bool
conn_open(struct flood *f, struct conn *c)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(f->port) };
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = c };
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->is_reused = false;
	c->is_connecting = true;
	c->watched = EPOLLOUT;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd >= 0 && setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	    (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
	     errno == EINPROGRESS) &&
	    epoll_ctl(f->ticker.epoll, EPOLL_CTL_ADD, c->fd, &event) == 0)
		return true;
	conn_close(c);
	return false;
}

/* --- requests --------------------------------------------------------------------- */

static bool
conn_watch(struct flood *f, struct conn *c, uint32_t what)
{
	struct epoll_event event = { .events = what, .data.ptr = c };

	if (c->watched == what)
		return true;
	c->watched = what;
	return epoll_ctl(f->ticker.epoll, EPOLL_CTL_MOD, c->fd, &event) == 0;
}

/* As much as the socket takes. What it does not take any more the server does not want: it has
 * answered, and that is read. */
static bool
conn_send(struct flood *f, struct conn *c)
{
	const struct class *k = c->class;
	ssize_t n = 1;

	while (c->sent < k->text_len && n > 0) {
		n = send(c->fd, k->text + c->sent, k->text_len - c->sent, MSG_NOSIGNAL);
		c->sent += n > 0 ? (size_t)n : 0;
	}
	if (n < 0 && errno != EAGAIN)
		return c->sent > 0 && conn_watch(f, c, EPOLLIN);
	return conn_watch(f, c, c->sent < k->text_len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static bool
conn_ask(struct flood *f, struct conn *c)
{
	c->sent = 0;
	c->len = 0;
	c->is_head_done = false;
	return conn_send(f, c);
}

/* The conn has ended: once more over a fresh one if it was merely an old one, else a failure. */
static void
on_broken(struct flood *f, struct conn *c)
{
	bool is_old = c->is_reused && c->len == 0;

	conn_close(c);
	if (c->meant_ns && !(is_old && conn_open(f, c)))
		finish(f, c, FATE_FAILED);
}

static void
begin(struct flood *f, struct class *k, uint64_t meant_ns, uint64_t now, unsigned attempt)
{
	struct conn *c = k->idle;

	k->idle = c->next;
	c->meant_ns = meant_ns;
	c->attempt = attempt;
	c->len = 0;
	busy_add(c);
	if (is_counted(f, meant_ns))
		histogram_add(&k->lag, now - meant_ns);
	c->is_reused = c->fd >= 0;
	if (c->is_reused ? !conn_ask(f, c) : !conn_open(f, c))
		on_broken(f, c);
}

static double
random_unit(struct flood *f)
{
	f->state = f->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return ((double)(f->state >> 11) + 0.5) / 9007199254740992.0;
}

static uint64_t
class_end(const struct flood *f, const struct class *k)
{
	uint64_t end = k->to_s > 0 ? f->count_from + (uint64_t)(k->to_s * 1e9) : f->end;

	return end < f->end ? end : f->end;
}

/* Sends what is due as far as there are idle conns; gives up what is too old. */
static void
class_go(struct flood *f, struct class *k)
{
	uint64_t now = now_ns();

	while (k->first && k->first->meant_ns + f->give_up_ns <= now) {
		struct conn *c = k->first;

		conn_close(c);
		k->gave_up += is_counted(f, c->meant_ns);
		finish(f, c, FATE_LATE);
	}
	for (size_t n = k->conns;
	     k->rate == 0 && n > 0 && k->idle && k->next_ns <= now && now < f->end; n--)
		begin(f, k, now, now, 1);
	while (k->again_count > 0 && k->idle && k->again[k->again_first].due_ns <= now) {
		struct again a = k->again[k->again_first];

		k->again_first = (k->again_first + 1) % AGAIN_MAX;
		k->again_count--;
		begin(f, k, a.due_ns, now, a.attempt);
	}
	while (k->rate > 0 && k->next_ns <= now && k->next_ns < class_end(f, k)) {
		uint64_t meant = k->next_ns;
		bool is_too_old = meant + f->give_up_ns <= now;

		if (!k->idle && !is_too_old)
			return;
		k->next_ns += (uint64_t)(-log(random_unit(f)) / k->rate * 1e9);
		if (!is_too_old) {
			begin(f, k, meant, now, 1);
			continue;
		}
		k->gave_up += is_counted(f, meant);
		count(f, k, meant, FATE_LATE);
		ask_again(f, k, 1, FATE_LATE);
	}
}

/* --- answers ---------------------------------------------------------------------- */

/* Whether the head is all there; what it says of the rest is kept. */
static bool
read_head(struct conn *c)
{
	char *end, *field;

	c->head[c->len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return false;
	field = strcasestr(c->head, "\r\nContent-Length:");
	c->body_left = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
	field = strcasestr(c->head, "\r\nConnection: close");
	c->is_last = field && field < end;
	c->status = c->len > 12 ? (int)strtol(c->head + 9, NULL, 10) : 0;
	c->is_head_done = true;
	return true;
}

static enum fate
fate_of(const struct flood *f, const struct conn *c)
{
	if (c->status == 503 || c->status == 429)
		return FATE_REFUSED;
	if (c->status != 200)
		return FATE_FAILED;
	return now_ns() - c->meant_ns <= f->deadline_ns ? FATE_OK : FATE_LATE;
}

static void
on_answer(struct flood *f, struct conn *c)
{
	bool is_last = c->is_last || c->sent < c->class->text_len;

	finish(f, c, fate_of(f, c));
	if (is_last)
		conn_close(c);
}

static void
on_readable(struct flood *f, struct conn *c)
{
	char body[16384];
	bool is_body = c->is_head_done && c->meant_ns;
	ssize_t n = is_body ? recv(c->fd, body, sizeof(body), 0)
			    : recv(c->fd, c->head + c->len, HEAD_BYTES - c->len, 0);
	size_t got = n > 0 ? (size_t)n : 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !c->meant_ns) {
		on_broken(f, c);
		return;
	}
	if (!is_body) {
		c->len += got;
		if (!read_head(c)) {
			if (c->len == HEAD_BYTES)
				on_broken(f, c);
			return;
		}
		got = c->len - (size_t)(strstr(c->head, "\r\n\r\n") + 4 - c->head);
	}
	c->body_left -= got < c->body_left ? got : c->body_left;
	if (c->body_left == 0)
		on_answer(f, c);
}

static void
on_connected(struct flood *f, struct conn *c)
{
	c->is_connecting = false;
	if (!conn_ask(f, c))
		on_broken(f, c);
}

/* --- the loop --------------------------------------------------------------------- */

static void
earlier(uint64_t *at, uint64_t other)
{
	if (other < *at)
		*at = other;
}

static void
set_timer(struct flood *f)
{
	uint64_t at = NEVER;

	for (struct class *k = f->class; k < f->class + f->classes; k++) {
		if (k->again_count > 0 && k->idle)
			earlier(&at, k->again[k->again_first].due_ns);
		if (k->rate > 0 && k->next_ns < class_end(f, k))
			earlier(&at, k->idle ? k->next_ns : k->next_ns + f->give_up_ns);
		if (k->rate == 0 && k->idle && k->next_ns < f->end)
			earlier(&at, k->next_ns);
		if (k->first)
			earlier(&at, k->first->meant_ns + f->give_up_ns);
	}
	ticker_set(&f->ticker, at == NEVER ? f->end : at);
}

static bool
is_done(const struct flood *f)
{
	for (const struct class *k = f->class; k < f->class + f->classes; k++) {
		if (k->first || k->again_count > 0 || (k->rate > 0 && k->next_ns < class_end(f, k)))
			return false;
	}
	return now_ns() >= f->end;
}

static void
on_event(struct flood *f, struct conn *c)
{
	uint64_t ticks;

	if (!c) {
		if (read(f->ticker.timer, &ticks, sizeof(ticks)) < 0)
			return;
	} else if (c->fd >= 0 && c->is_connecting) {
		on_connected(f, c);
	} else if (c->fd >= 0) {
		if (c->sent < c->class->text_len && !conn_send(f, c))
			on_broken(f, c);
		else
			on_readable(f, c);
	}
}

static void
run(struct flood *f)
{
	struct epoll_event events[EVENTS], tick = { .events = EPOLLIN, .data.ptr = NULL };

	if (epoll_ctl(f->ticker.epoll, EPOLL_CTL_ADD, f->ticker.timer, &tick) != 0)
		die("timer");
	while (!is_done(f)) {
		int n;

		for (struct class *k = f->class; k < f->class + f->classes; k++)
			class_go(f, k);
		set_timer(f);
		n = epoll_wait(f->ticker.epoll, events, EVENTS, 100);
		for (int i = 0; i < n; i++)
			on_event(f, events[i].data.ptr);
	}
}

static void
print_windows(const char *name, const uint32_t *count, size_t n)
{
	printf(", \"%s\": [", name);
	for (size_t i = 0; i < n; i++)
		printf(i ? ", %u" : "%u", count[i]);
	printf("]");
}

static void
print_report(struct flood *f)
{
	static const char *const name[FATES] = { "ok", "late", "refused", "failed" };
	const char *comma = "{";
	size_t windows = (size_t)(f->seconds * 1e9 / (double)WINDOW_NS);

	windows = windows < WINDOWS ? windows : WINDOWS;
	for (struct class *k = f->class; k < f->class + f->classes; k++) {
		struct histogram accepted = k->fate[FATE_OK];

		printf("%s\"%s\": {\"meant\": %llu, \"gave_up\": %llu", comma, k->name,
		       (unsigned long long)k->meant, (unsigned long long)k->gave_up);
		for (int i = 0; i < FATES; i++)
			histogram_print(name[i], &k->fate[i]);
		histogram_merge(&accepted, &k->fate[FATE_LATE]);
		histogram_print("accepted", &accepted);
		histogram_print("lag", &k->lag);
		printf(", \"from_ns\": %llu", (unsigned long long)f->count_from);
		print_windows("window_meant", k->window_meant, windows);
		print_windows("window_ok", k->window_ok, windows);
		printf("}");
		comma = ", ";
	}
	printf("}\n");
}

/* --- the command line --------------------------------------------------------------- */

/* A whole request: path is /PATH, or POST/PATH. */
static bool
class_text(struct flood *f, struct class *k, const char *path)
{
	size_t method = strcspn(path, "/"), body = 0;
	FILE *file = method ? fopen(f->body_file ? f->body_file : "", "rb") : NULL;
	struct stat about = { 0 };
	char about_body[64] = "";

	if (method && (!file || fstat(fileno(file), &about) != 0))
		return false;
	body = (size_t)about.st_size;
	k->text = malloc(HEAD_BYTES + body);
	if (!k->text)
		die("memory");
	if (file)
		snprintf(about_body, sizeof(about_body), "Content-Length: %zu\r\n", body);
	k->text_len = (size_t)snprintf(
	    k->text, HEAD_BYTES, "%.*s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n",
	    method ? (int)method : 3, method ? path : "GET", path + method, f->port, about_body);
	if (file && fread(k->text + k->text_len, 1, body, file) != body)
		die("the file");
	k->text_len += body;
	if (file)
		fclose(file);
	return true;
}

static bool
class_init(struct flood *f, struct class *k, const char *words)
{
	char path[256], pace[64];

	if (sscanf(words, "%31[^:]:%255[^:]:%63s", k->name, path, pace) != 3)
		return false;
	k->rate = pace[0] == 'x' ? 0 : strtod(pace, NULL);
	if (strchr(pace, '@') &&
	    (k->rate == 0 || sscanf(strchr(pace, '@'), "@%lf-%lf", &k->from_s, &k->to_s) != 2 ||
	     k->from_s < 0 || k->to_s <= k->from_s))
		return false;
	k->conns = pace[0] == 'x' ? strtoul(pace + 1, NULL, 10) : f->conns;
	if (!(k->rate > 0 || pace[0] == 'x') || k->conns < 1 || k->conns > CONNS_MAX)
		return false;
	if (!class_text(f, k, path))
		return false;
	k->conn = calloc(k->conns, sizeof(*k->conn));
	k->again = calloc(f->attempts > 1 ? AGAIN_MAX : 1, sizeof(*k->again));
	if (!k->conn || !k->again)
		die("conns");
	for (size_t i = k->conns; i-- > 0;) {
		k->conn[i].fd = -1;
		k->conn[i].class = k;
		k->conn[i].next = k->idle;
		k->idle = &k->conn[i];
	}
	return true;
}

static bool
read_options(struct flood *f, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:d:l:t:g:c:r:b:")) != -1) {
		if (option == 'p')
			f->port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (option == 'd')
			f->seconds = strtod(optarg, NULL);
		else if (option == 'l')
			f->lead = strtod(optarg, NULL);
		else if (option == 't')
			f->deadline_ns = strtoul(optarg, NULL, 10) * NS_PER_MS;
		else if (option == 'g')
			f->give_up_ns = strtoul(optarg, NULL, 10) * NS_PER_MS;
		else if (option == 'r')
			f->attempts = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'b')
			f->body_file = optarg;
		else if (option == 'c')
			f->conns = strtoul(optarg, NULL, 10);
		else
			return false;
	}
	for (; optind < argc && f->classes < CLASSES_MAX; optind++) {
		if (!class_init(f, &f->class[f->classes++], argv[optind]))
			return false;
	}
	return f->port && f->seconds > 0 && f->lead >= 0 && f->give_up_ns && f->classes > 0 &&
	       optind == argc;
}

static void
start(struct flood *f)
{
	struct rlimit limit;
	uint64_t from = now_ns() + NS_PER_S / 10;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	ticker_open(&f->ticker);
	f->count_from = from + (uint64_t)(f->lead * 1e9);
	f->end = f->count_from + (uint64_t)(f->seconds * 1e9);
	for (struct class *k = f->class; k < f->class + f->classes; k++)
		k->next_ns = k->to_s > 0 ? f->count_from + (uint64_t)(k->from_s * 1e9) : from;
}

int
main(int argc, char **argv)
{
	static struct flood f = { .conns = 1024,
				  .state = 42,
				  .deadline_ns = 500 * NS_PER_MS,
				  .give_up_ns = 2 * NS_PER_S };
	struct sched_param priority = { .sched_priority = 1 };

	if (!read_options(&f, argc, argv)) {
		fprintf(stderr, "usage: flood -p PORT -d SECONDS [-l LEAD_S] [-t DEADLINE_MS] "
				"[-g GIVE_UP_MS] [-c CONNS] [-r ATTEMPTS] [-b FILE] "
				"NAME:/PATH:RATE[@FROM-TO]|xCONNS ...\n");
		return EXIT_FAILURE;
	}
	if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		fprintf(stderr, "flood: no real-time priority: its own delays count too\n");
	start(&f);
	run(&f);
	print_report(&f);
	return EXIT_SUCCESS;
}
