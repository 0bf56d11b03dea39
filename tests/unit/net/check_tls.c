/*
 * TLS connections over a socket pair, with OpenSSL as the client: what is read,
 * written and told, and how it ends.
 */
#include "net/io.h"

#include "base/mem.h"
#include "papers.h"

#include <check.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_net_tls(void);

enum { BIG = 300000 };

static struct papers papers;
static struct loop loop;
static struct store store;
static struct counters counters;
static struct io io;
static struct tls_context *context;
static SSL_CTX *client_rules;
static SSL *client;
static int peer;
static char bytes[BIG], heard[BIG];
static unsigned told;

static void
on_ready(struct io *who, unsigned ready)
{
	ck_assert_ptr_eq(who, &io);
	told |= ready;
}

static void
connect_client(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	peer = pair[1];
	io_init(&io, &loop, pair[0], on_ready);
	ck_assert_int_eq(io_secure(&io, context, &counters), 0);
	client = SSL_new(client_rules);
	SSL_set_fd(client, peer);
	SSL_set_connect_state(client);
}

static void
open_all(void)
{
	signal(SIGPIPE, SIG_IGN);
	papers_open(&papers);
	papers_issue(&papers, "one", "one.example", "EC");
	memset(&counters, 0, sizeof(counters));
	store_init(&store);
	ck_assert_int_eq(loop_init(&loop, NULL), 0);
	context =
	    papers_context(&papers, "certificate = one.pem\nkey = one.key\ntls_min = 1.3\n", NULL);
	ck_assert_msg(context != NULL, "%s", papers.said);
	client_rules = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(client_rules, SSL_MODE_ENABLE_PARTIAL_WRITE);
	for (size_t i = 0; i < BIG; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	connect_client();
}

static void
close_all(void)
{
	io_close(&io);
	SSL_free(client);
	if (peer >= 0)
		close(peer);
	SSL_CTX_free(client_rules);
	tls_context_unref(&context);
	papers_close(&papers);
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

static void
shake(void)
{
	int err = ERR_BUSY;

	ck_assert_int_eq(io_watch(&io), 0);
	for (unsigned i = 0; i < 10 && err == ERR_BUSY; i++) {
		SSL_do_handshake(client);
		turn();
		err = io_handshake(&io);
	}
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(SSL_do_handshake(client), 1);
	ck_assert_uint_eq(count_read(&counters, COUNTER_TLS_FULL), 1);
	/* The ticket that is on its way. */
	ck_assert_int_eq(SSL_read(client, heard, 1), -1);
}

static void
say(const char *text)
{
	ck_assert_int_eq(SSL_write(client, text, (int)strlen(text)), (int)strlen(text));
}

START_TEST(what_one_recv_brought_is_read_to_its_last_record)
{
	char memory[100];

	shake();
	say("one");
	say("two");
	turn();
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), 3);
	ck_assert_mem_eq(memory, "one", 3);
	ck_assert(!tls_is_drained(io.tls)); /* a short read, and there is more */
	ck_assert_int_eq(io_read(&io, memory, 2), 2);
	ck_assert(!tls_is_drained(io.tls));
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), 1);
	ck_assert(tls_is_drained(io.tls));
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), ERR_BUSY);
}
END_TEST

START_TEST(what_comes_later_is_read_after_its_edge_or_when_one_looks_again)
{
	char memory[100];

	shake();
	turn();
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), ERR_BUSY);
	say("one");
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), ERR_BUSY); /* nothing has told so */
	io_look_again(&io);
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), 3);
	say("four");
	ck_assert_uint_ne(turn() & IO_READ, 0);
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), 4);
}
END_TEST

START_TEST(half_a_record_is_nothing_yet)
{
	char memory[100], record[200];
	BIO *network = BIO_new(BIO_s_mem());
	int len;

	shake();
	BIO_up_ref(network);
	SSL_set0_wbio(client, network);
	say("hello");
	len = BIO_read(network, record, sizeof(record));
	ck_assert_int_eq(send(peer, record, (size_t)len - 1, 0), len - 1);
	turn();
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), ERR_BUSY);
	ck_assert_int_eq(send(peer, record + len - 1, 1, 0), 1);
	turn();
	ck_assert_int_eq(io_read(&io, memory, sizeof(memory)), 5);
	BIO_free(network);
}
END_TEST

/* Reads what is there for the client. */
static size_t
hear(size_t at)
{
	size_t n;

	while (at < BIG && SSL_read_ex(client, heard + at, BIG - at, &n) == 1)
		at += n;
	return at;
}

START_TEST(a_list_is_written_whole_through_a_full_socket_files_included)
{
	FILE *file = tmpfile();
	struct chunk_file *shared = mem_alloc(sizeof(*shared));
	struct chunks out;
	size_t got = 0, third = BIG / 3;

	shake();
	ck_assert_uint_eq(fwrite(bytes, 1, BIG, file), BIG);
	fflush(file);
	*shared = (struct chunk_file){ .fd = dup(fileno(file)), .refs = 1 };
	fclose(file);
	chunks_init(&out, &store);
	ck_assert_int_eq(chunks_add_static(&out, slice_make(bytes, 10)), 0);
	ck_assert_int_eq(chunks_add_static(&out, slice_make(bytes + 10, third - 10)), 0);
	ck_assert_int_eq(chunks_add_file(&out, shared, (int64_t)third, third), 0);
	ck_assert_int_eq(chunks_add_static(&out, slice_make(bytes + 2 * third, third)), 0);
	for (unsigned i = 0; i < 1000 && out.bytes > 0; i++) {
		int err = io_write(&io, &out, 20001);

		ck_assert(err == 0 || err == ERR_BUSY);
		if (err == ERR_BUSY || i % 3 == 0)
			got = hear(got);
	}
	ck_assert_uint_eq(out.bytes, 0);
	got = hear(got);
	ck_assert_uint_eq(got, BIG);
	ck_assert_mem_eq(heard, bytes, BIG);
	chunks_clear(&out);
}
END_TEST

START_TEST(bytes_that_had_to_wait_may_be_asked_for_again_in_a_longer_list)
{
	struct chunks out;
	size_t got = 0, sent = 0;
	long n;

	shake();
	do { /* as a block that is written alone, until the socket is full */
		n = io_write_bytes(&io, slice_make(bytes + sent, 5000));
		ck_assert_int_ge(n, 0);
		sent += (size_t)n;
	} while (n == 5000);
	chunks_init(&out, &store);
	ck_assert_int_eq(chunks_add_static(&out, slice_make(bytes + sent, 5000)), 0);
	ck_assert_int_eq(chunks_add_static(&out, slice_make(bytes + sent + 5000, 20000)), 0);
	for (unsigned i = 0; i < 100 && out.bytes > 0; i++) {
		ck_assert_int_ne(io_write(&io, &out, BIG), ERR_CLOSED);
		got = hear(got);
	}
	got = hear(got);
	ck_assert_uint_eq(got, sent + 25000);
	ck_assert_mem_eq(heard, bytes, got);
}
END_TEST

START_TEST(a_file_that_became_shorter_breaks_the_connection)
{
	FILE *file = tmpfile();
	struct chunk_file *shared = mem_alloc(sizeof(*shared));
	struct chunks out;

	shake();
	fputs("short", file);
	fflush(file);
	*shared = (struct chunk_file){ .fd = dup(fileno(file)), .refs = 1 };
	fclose(file);
	chunks_init(&out, &store);
	ck_assert_int_eq(chunks_add_file(&out, shared, 0, 100), 0);
	ck_assert_int_eq(io_write(&io, &out, BIG), ERR_CLOSED);
	chunks_clear(&out);
}
END_TEST

START_TEST(the_end_is_said_once_and_what_follows_is_the_sockets)
{
	shake();
	io_shut(&io);
	ck_assert_ptr_null(io.tls);
	ck_assert_int_eq(SSL_read(client, heard, 1), 0);
	ck_assert_int_eq(SSL_get_error(client, 0), SSL_ERROR_ZERO_RETURN);
	ck_assert_int_eq(recv(peer, heard, 1, 0), 0); /* and the FIN */
	ck_assert_int_eq(send(peer, "raw", 3, 0), 3);
	ck_assert_int_eq(io_read(&io, heard, 10), 3);
}
END_TEST

START_TEST(the_end_waits_for_room)
{
	char last[64];
	long n, len = 0;

	shake();
	while (send(io_fd(&io), bytes, 1000, 0) > 0)
		;
	ck_assert_int_eq(io_end(&io), ERR_BUSY);
	io_shut(&io);
	ck_assert_ptr_nonnull(io.tls);
	while (recv(peer, heard, BIG, 0) > 0)
		;
	io_shut(&io);
	ck_assert_ptr_null(io.tls);
	while ((n = recv(peer, last + len, sizeof(last) - (size_t)len, 0)) > 0)
		len += n;
	ck_assert_int_eq(n, 0); /* the FIN, behind a record of two bytes, sealed */
	ck_assert_int_eq(len, 24);
	ck_assert_mem_eq(last, "\x17\x03\x03\x00\x13", 5);
}
END_TEST

START_TEST(an_end_in_the_middle_of_a_record_is_none)
{
	shake();
	while (io_write_bytes(&io, slice_make(bytes, 1000)) == 1000)
		;
	ck_assert_int_eq(io_end(&io), 0);
	io_close(&io);
	while (SSL_read(client, heard, BIG) > 0)
		;
	ck_assert_int_eq(SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN, 0);
}
END_TEST

START_TEST(a_cut_stream_does_not_look_ended)
{
	shake();
	io_reset_on_close(&io);
	io_close(&io);
	ck_assert_int_le(SSL_read(client, heard, 1), 0);
	ck_assert_int_ne(SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}
END_TEST

START_TEST(the_peers_end_is_an_end_with_and_without_its_word)
{
	shake();
	SSL_shutdown(client);
	turn();
	ck_assert_int_eq(io_read(&io, heard, 10), 0);
}
END_TEST

START_TEST(a_bare_fin_is_an_end_too)
{
	shake();
	shutdown(peer, SHUT_WR);
	ck_assert_uint_ne(turn() & IO_CLOSED, 0);
	ck_assert_int_eq(io_read(&io, heard, 10), 0);
}
END_TEST

START_TEST(a_changed_record_breaks_the_connection)
{
	shake();
	ck_assert_int_eq(send(peer,
			      "\x17\x03\x03\x00\x14"
			      "aaaaaaaaaaaaaaaaaaaa",
			      25, 0),
			 25);
	turn();
	ck_assert_int_eq(io_read(&io, heard, 10), ERR_CLOSED);
	ck_assert_int_eq(io_write_bytes(&io, SLICE("x")), ERR_CLOSED);
	ck_assert_int_eq(io_end(&io), 0); /* nobody to say it to */
}
END_TEST

static void
expect_failure(const char *first, size_t len, int err, enum counter reason)
{
	ck_assert_int_eq(send(peer, first, len, 0), (long)len);
	ck_assert_int_eq(io_handshake(&io), err);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		ck_assert_uint_eq(count_read(&counters, (enum counter)i), i == reason);
	ck_assert_int_eq(io_read(&io, heard, 10), ERR_CLOSED);
}

START_TEST(plain_http_is_told_from_garbage)
{
	static const char get[] = "GET / HTTP/1.1\r\n";

	expect_failure(get, sizeof(get) - 1, ERR_UNSUPPORTED, COUNTER_TLS_PLAIN_HTTP);
}
END_TEST

START_TEST(garbage_is_a_broken_protocol)
{
	expect_failure("\x16\x03\x01\x00\x05zzzzz", 10, ERR_PROTOCOL, COUNTER_TLS_SYNTAX);
}
END_TEST

START_TEST(a_peer_that_goes_has_gone)
{
	ck_assert_int_eq(send(peer, "\x16", 1, 0), 1);
	ck_assert_int_eq(io_handshake(&io), ERR_BUSY);
	close(peer);
	peer = -1;
	io_look_again(&io);
	ck_assert_int_eq(io_handshake(&io), ERR_CLOSED);
	ck_assert_uint_eq(count_read(&counters, COUNTER_TLS_CLOSED), 1);
}
END_TEST

START_TEST(one_conns_error_is_not_anothers)
{
	struct io broken = io;
	SSL *other = client;
	int fd = peer;

	ck_assert_int_eq(send(peer, "\x16\x03\x01\x00\x05zzzzz", 10, 0), 10);
	ck_assert_int_eq(io_handshake(&broken), ERR_PROTOCOL);
	connect_client();
	ck_assert_int_eq(io_handshake(&io), ERR_BUSY);
	shake();
	tls_close(&broken.tls);
	close(io_fd(&broken));
	SSL_free(other);
	close(fd);
}
END_TEST

START_TEST(records_that_are_no_data_are_swallowed_up_to_a_bound)
{
	BIO *network = BIO_new(BIO_s_mem());
	char *records;
	long len, n = 1, sent = 0;

	shake();
	BIO_up_ref(network);
	SSL_set0_wbio(client, network);
	for (unsigned i = 0; i < 7000; i++) {
		ck_assert_int_eq(SSL_key_update(client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		ck_assert_int_eq(SSL_do_handshake(client), 1);
	}
	len = BIO_get_mem_data(network, &records);
	for (; n > 0 && sent < len; sent += n)
		n = send(peer, records + sent, 16384 < len - sent ? 16384 : (size_t)(len - sent),
			 0);
	ck_assert_int_gt(sent, 9 * 16384);
	turn();
	ck_assert_int_eq(io_read(&io, heard, 10), ERR_CLOSED);
	BIO_free(network);
}
END_TEST

Suite *
suite_net_tls(void)
{
	Suite *s = suite_create("net/tls");
	TCase *t = tcase_create("tls");

	tcase_add_checked_fixture(t, open_all, close_all);
	tcase_add_test(t, what_one_recv_brought_is_read_to_its_last_record);
	tcase_add_test(t, what_comes_later_is_read_after_its_edge_or_when_one_looks_again);
	tcase_add_test(t, half_a_record_is_nothing_yet);
	tcase_add_test(t, a_list_is_written_whole_through_a_full_socket_files_included);
	tcase_add_test(t, bytes_that_had_to_wait_may_be_asked_for_again_in_a_longer_list);
	tcase_add_test(t, a_file_that_became_shorter_breaks_the_connection);
	tcase_add_test(t, the_end_is_said_once_and_what_follows_is_the_sockets);
	tcase_add_test(t, the_end_waits_for_room);
	tcase_add_test(t, an_end_in_the_middle_of_a_record_is_none);
	tcase_add_test(t, a_cut_stream_does_not_look_ended);
	tcase_add_test(t, the_peers_end_is_an_end_with_and_without_its_word);
	tcase_add_test(t, a_bare_fin_is_an_end_too);
	tcase_add_test(t, a_changed_record_breaks_the_connection);
	tcase_add_test(t, plain_http_is_told_from_garbage);
	tcase_add_test(t, garbage_is_a_broken_protocol);
	tcase_add_test(t, a_peer_that_goes_has_gone);
	tcase_add_test(t, one_conns_error_is_not_anothers);
	tcase_add_test(t, records_that_are_no_data_are_swallowed_up_to_a_bound);
	suite_add_tcase(s, t);
	return s;
}
