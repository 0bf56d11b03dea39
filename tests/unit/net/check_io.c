/*
 * Byte streams: what is told when, and what of a list is written.
 */
#include "net/io.h"

#include "base/mem.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_net_io(void);

static struct loop loop;
static struct store store;
static struct io io;
static int peer;
static unsigned told, times; /* what on_ready was told, all together, and how often */

static void
on_ready(struct io *who, unsigned ready)
{
	ck_assert_ptr_eq(who, &io);
	told |= ready;
	times++;
}

static void
open_pair(void)
{
	int pair[2];

	signal(SIGPIPE, SIG_IGN);
	told = times = 0;
	store_init(&store);
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	io_init(&io, &loop, pair[0], on_ready);
	peer = pair[1];
}

static void
close_pair(void)
{
	io_close(&io);
	io_close(&io); /* idempotent */
	if (peer >= 0)
		close(peer);
	ck_assert_uint_eq(store.out, 0);
	loop_fini(&loop);
	store_fini(&store);
}

static unsigned
turn(void)
{
	told = 0;
	loop_turn(&loop, false);
	return told;
}

START_TEST(what_came_before_watching_is_told)
{
	open_pair();
	ck_assert_int_eq(write(peer, "x", 1), 1);
	ck_assert_uint_eq(turn(), 0);
	ck_assert_int_eq(io_watch(&io), 0);
	ck_assert_int_eq(io_watch(&io), 0); /* once is enough */
	ck_assert_uint_eq(turn(), IO_READ | IO_WRITE);
	ck_assert_uint_eq(turn(), 0); /* an edge is told once */
	close_pair();
}
END_TEST

START_TEST(more_is_a_new_edge_and_so_is_the_end)
{
	char got[8];

	open_pair();
	ck_assert_int_eq(io_watch(&io), 0);
	turn();
	ck_assert_int_eq(write(peer, "ab", 2), 2);
	ck_assert(turn() & IO_READ);
	ck_assert_int_eq(io_read(&io, got, sizeof(got)), 2);
	ck_assert_int_eq(io_read(&io, got, sizeof(got)), ERR_BUSY);
	ck_assert_int_eq(write(peer, "cd", 2), 2);
	ck_assert(turn() & IO_READ);
	shutdown(peer, SHUT_WR);
	ck_assert(turn() & IO_CLOSED);
	ck_assert_int_eq(io_read(&io, got, sizeof(got)), 2);
	ck_assert_int_eq(io_read(&io, got, sizeof(got)), 0);
	close_pair();
}
END_TEST

/* A full block may leave bytes behind, and so may a short read of what the peer has closed after.
 */
START_TEST(a_block_is_filled_and_the_socket_is_known_to_be_empty)
{
	struct block *b;
	bool is_empty;

	open_pair();
	b = block_take(&store, 0);
	ck_assert_ptr_nonnull(b);
	b->len = b->cap - 4;
	ck_assert_int_eq(write(peer, "abcdef", 6), 6);
	ck_assert_int_eq(io_fill(&io, b, false, &is_empty), 4);
	ck_assert(!is_empty);
	ck_assert_uint_eq(block_room(b), 0);
	b->len = 0;
	ck_assert_int_eq(io_fill(&io, b, false, &is_empty), 2);
	ck_assert(is_empty);
	ck_assert_int_eq(io_fill(&io, b, false, &is_empty), ERR_BUSY);
	ck_assert(is_empty);
	ck_assert_int_eq(write(peer, "gh", 2), 2);
	shutdown(peer, SHUT_WR);
	ck_assert_int_eq(io_fill(&io, b, true, &is_empty), 2);
	ck_assert(!is_empty);
	ck_assert_int_eq(memcmp(b->at, "efgh", 4), 0);
	ck_assert_int_eq(io_fill(&io, b, true, &is_empty), 0);
	ck_assert(is_empty);
	block_unref(b);
	close_pair();
}
END_TEST

START_TEST(a_released_one_is_told_nothing_and_stays_open)
{
	int fd;

	open_pair();
	ck_assert_int_eq(io_watch(&io), 0);
	turn();
	fd = io_fd(&io);
	io_release(&io);
	ck_assert_int_eq(io_fd(&io), -1);
	ck_assert_int_eq(write(peer, "x", 1), 1);
	ck_assert_uint_eq(turn(), 0);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	close(fd);
	close_pair();
}
END_TEST

/* Everything that the peer can read now. */
static size_t
hear(char *memory, size_t cap)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(peer, memory + len, cap - len)) > 0)
		len += (size_t)n;
	return len;
}

static struct chunk_file *
make_file(const char *text)
{
	char path[] = "/tmp/check_io_XXXXXX";
	struct chunk_file *f = mem_alloc(sizeof(*f));

	*f = (struct chunk_file){ .fd = mkstemp(path), .refs = 1 };
	unlink(path);
	ck_assert_int_eq(write(f->fd, text, strlen(text)), (ssize_t)strlen(text));
	return f;
}

START_TEST(a_list_of_memory_and_files_is_written_in_order)
{
	struct chunks out;
	char got[64];
	size_t len;

	open_pair();
	chunks_init(&out, &store);
	ck_assert_int_eq(chunks_add_static(&out, SLICE("one ")), 0);
	ck_assert_int_eq(chunks_add_static(&out, SLICE("two ")), 0);
	ck_assert_int_eq(chunks_add_file(&out, make_file("0123456789"), 3, 4), 0);
	ck_assert_int_eq(chunks_add_copy(&out, SLICE(" end")), 0);
	ck_assert_int_eq(io_write(&io, &out, 1 << 20), 0);
	ck_assert(chunks_is_empty(&out));
	len = hear(got, sizeof(got));
	ck_assert_mem_eq(got, "one two 3456 end", len);
	ck_assert_uint_eq(len, 16);
	close_pair();
}
END_TEST

START_TEST(the_limit_is_kept_across_chunks)
{
	struct chunks out;
	char got[64];

	open_pair();
	chunks_init(&out, &store);
	ck_assert_int_eq(chunks_add_static(&out, SLICE("abcdef")), 0);
	ck_assert_int_eq(chunks_add_file(&out, make_file("0123456789"), 0, 10), 0);
	ck_assert_int_eq(io_write(&io, &out, 4), 0);
	ck_assert_uint_eq(hear(got, sizeof(got)), 4);
	ck_assert_int_eq(io_write(&io, &out, 5), 0);
	ck_assert_uint_eq(hear(got, sizeof(got)), 5);
	ck_assert_mem_eq(got, "ef012", 5);
	ck_assert_uint_eq(out.bytes, 7);
	chunks_clear(&out);
	close_pair();
}
END_TEST

START_TEST(a_file_that_shrank_breaks_the_connection)
{
	struct chunks out;
	char got[64];

	open_pair();
	chunks_init(&out, &store);
	ck_assert_int_eq(chunks_add_file(&out, make_file("abc"), 0, 10), 0);
	ck_assert_int_eq(io_write(&io, &out, 100), ERR_CLOSED);
	ck_assert_uint_eq(hear(got, sizeof(got)), 3);
	chunks_clear(&out);
	close_pair();
}
END_TEST

START_TEST(a_full_socket_is_busy_then_told_writable)
{
	static char big[1 << 20], got[1 << 21];
	struct chunks out;
	size_t heard = 0;

	open_pair();
	memset(big, 'z', sizeof(big));
	ck_assert_int_eq(io_watch(&io), 0);
	turn();
	chunks_init(&out, &store);
	ck_assert_int_eq(chunks_add_static(&out, slice_make(big, sizeof(big))), 0);
	ck_assert_int_eq(io_write(&io, &out, SIZE_MAX), ERR_BUSY);
	ck_assert_uint_eq(turn() & IO_WRITE, 0);
	while (!chunks_is_empty(&out)) {
		size_t n = hear(got, sizeof(got));

		ck_assert_uint_gt(n, 0);
		heard += n;
		ck_assert(turn() & IO_WRITE);
		if (io_write(&io, &out, SIZE_MAX) == 0)
			break;
	}
	ck_assert_uint_eq(heard + hear(got, sizeof(got)), sizeof(big));
	close_pair();
}
END_TEST

START_TEST(more_chunks_than_one_call_takes)
{
	struct chunks out;
	char got[4096];

	open_pair();
	chunks_init(&out, &store);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(chunks_add_static(&out, SLICE("ab")), 0);
	ck_assert_int_eq(io_write(&io, &out, 1999), 0);
	ck_assert_uint_eq(hear(got, sizeof(got)), 1999);
	ck_assert_uint_eq(out.bytes, 1);
	chunks_clear(&out);
	close_pair();
}
END_TEST

START_TEST(bytes_to_nobody_are_a_closed_connection)
{
	struct chunks out;

	open_pair();
	close(peer);
	peer = -1;
	chunks_init(&out, &store);
	ck_assert_int_eq(chunks_add_static(&out, SLICE("x")), 0);
	ck_assert_int_eq(io_write(&io, &out, 10), ERR_CLOSED);
	ck_assert_int_eq(io_write_bytes(&io, SLICE("x")), ERR_CLOSED);
	chunks_clear(&out);
	close_pair();
}
END_TEST

/* --- connecting ---------------------------------------------------------------------- */

static int
listen_tcp(struct address *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*at = (struct address){ .len = sizeof(struct sockaddr_in) };
	at->of.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(bind(fd, &at->of.any, at->len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, &at->of.any, &at->len), 0);
	return fd;
}

START_TEST(connects_and_sees_a_reset)
{
	struct linger now = { .l_onoff = 1 };
	struct address at;
	int listener = listen_tcp(&at), fd;

	told = times = 0;
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	ck_assert_int_eq(io_connect(&io, &loop, &at, on_ready), 0);
	while (!(told & IO_WRITE))
		loop_turn(&loop, true);
	ck_assert_int_eq(io_connected(&io), 0);
	fd = accept(listener, NULL, NULL);
	ck_assert(!io_is_reset(&io));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	while (!(told & IO_READ))
		loop_turn(&loop, true);
	ck_assert(io_is_reset(&io));
	io_close(&io);
	close(listener);
	loop_fini(&loop);
}
END_TEST

START_TEST(nobody_there_is_a_failed_connect)
{
	struct address at;
	int err;

	close(listen_tcp(&at));
	told = times = 0;
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	err = io_connect(&io, &loop, &at, on_ready);
	while (err == 0 && !told)
		loop_turn(&loop, true);
	if (err == 0)
		err = io_connected(&io);
	ck_assert_int_eq(err, ERR_CONNECT);
	ck_assert_int_eq(errno, ECONNREFUSED);
	io_close(&io);
	loop_fini(&loop);
}
END_TEST

Suite *
suite_net_io(void)
{
	Suite *s = suite_create("net/io");
	TCase *t = tcase_create("io");

	suite_add_tcase(s, t);
	tcase_add_test(t, what_came_before_watching_is_told);
	tcase_add_test(t, more_is_a_new_edge_and_so_is_the_end);
	tcase_add_test(t, a_block_is_filled_and_the_socket_is_known_to_be_empty);
	tcase_add_test(t, a_released_one_is_told_nothing_and_stays_open);
	tcase_add_test(t, a_list_of_memory_and_files_is_written_in_order);
	tcase_add_test(t, the_limit_is_kept_across_chunks);
	tcase_add_test(t, a_file_that_shrank_breaks_the_connection);
	tcase_add_test(t, a_full_socket_is_busy_then_told_writable);
	tcase_add_test(t, more_chunks_than_one_call_takes);
	tcase_add_test(t, bytes_to_nobody_are_a_closed_connection);
	tcase_add_test(t, connects_and_sees_a_reset);
	tcase_add_test(t, nobody_there_is_a_failed_connect);
	return s;
}
