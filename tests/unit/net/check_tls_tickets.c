/*
 * Ticket keys: which tickets are opened, and for how long.
 */
#include "net/tls_tickets.h"

#include <check.h>
#include <openssl/evp.h>
#include <string.h>

Suite *suite_net_tls_tickets(void);

enum { IV_BYTES = 16, TEXT_BYTES = 32 };

struct ticket {
	unsigned char name[TLS_TICKET_NAME_BYTES], iv[IV_BYTES], sealed[TEXT_BYTES + 16];
	int len;
};

static EVP_CIPHER_CTX *cipher;
static EVP_MAC_CTX *mac;

static void
open_crypto(void)
{
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	cipher = EVP_CIPHER_CTX_new();
	mac = EVP_MAC_CTX_new(hmac);
	EVP_MAC_free(hmac);
}

static void
close_crypto(void)
{
	EVP_CIPHER_CTX_free(cipher);
	EVP_MAC_CTX_free(mac);
}

static const unsigned char plain[TEXT_BYTES] = "what the client shall not read";

static void
seal(struct tls_tickets *t, struct ticket *ticket)
{
	int len = 0;

	ck_assert_int_eq(tls_tickets_seal(t, ticket->name, ticket->iv, cipher, mac), 1);
	EVP_EncryptUpdate(cipher, ticket->sealed, &ticket->len, plain, TEXT_BYTES);
	EVP_EncryptFinal_ex(cipher, ticket->sealed + ticket->len, &len);
	ticket->len += len;
}

/* What the key says; and what is in it has to be right. */
static int
unseal(struct tls_tickets *t, const struct ticket *ticket)
{
	unsigned char text[TEXT_BYTES + 16];
	int result = tls_tickets_open(t, ticket->name, ticket->iv, cipher, mac), len, more;

	if (result <= 0)
		return result;
	EVP_DecryptUpdate(cipher, text, &len, ticket->sealed, ticket->len);
	ck_assert_int_eq(EVP_DecryptFinal_ex(cipher, text + len, &more), 1);
	ck_assert_mem_eq(text, plain, TEXT_BYTES);
	return result;
}

START_TEST(a_ticket_opens_under_its_key_and_once_more_after_a_change)
{
	struct tls_tickets *t = tls_tickets_new();
	struct ticket ticket;

	for (unsigned i = 0; i < 9; i++) {
		seal(t, &ticket);
		ck_assert_int_eq(unseal(t, &ticket), 1);
		tls_tickets_rotate(t);
		ck_assert_int_eq(unseal(t, &ticket), 2); /* and a new one is due */
		tls_tickets_rotate(t);
		ck_assert_int_eq(unseal(t, &ticket), 0);
	}
	tls_tickets_unref(&t);
	ck_assert_ptr_null(t);
}
END_TEST

START_TEST(a_ticket_of_other_keys_does_not_open)
{
	struct tls_tickets *t = tls_tickets_new(), *other = tls_tickets_new();
	struct ticket ticket;

	seal(t, &ticket);
	ck_assert_int_eq(unseal(other, &ticket), 0);
	ticket.name[0] ^= 1;
	ck_assert_int_eq(unseal(t, &ticket), 0);
	memset(ticket.name, 0, sizeof(ticket.name)); /* as a slot is that holds no key */
	ck_assert_int_eq(unseal(t, &ticket), 0);
	tls_tickets_unref(&t);
	tls_tickets_unref(&other);
}
END_TEST

START_TEST(every_ticket_has_an_iv_of_its_own)
{
	struct tls_tickets *t = tls_tickets_new();
	struct ticket a, b;

	seal(t, &a);
	seal(t, &b);
	ck_assert_mem_eq(a.name, b.name, sizeof(a.name));
	ck_assert_mem_ne(a.iv, b.iv, sizeof(a.iv));
	tls_tickets_unref(&t);
}
END_TEST

START_TEST(keys_live_until_their_last_user)
{
	struct tls_tickets *t = tls_tickets_new(), *same = tls_tickets_ref(t);
	struct ticket ticket;

	seal(t, &ticket);
	tls_tickets_unref(&t);
	ck_assert_int_eq(unseal(same, &ticket), 1);
	tls_tickets_unref(&same);
}
END_TEST

Suite *
suite_net_tls_tickets(void)
{
	Suite *s = suite_create("net/tls_tickets");
	TCase *t = tcase_create("tls_tickets");

	tcase_add_checked_fixture(t, open_crypto, close_crypto);
	tcase_add_test(t, a_ticket_opens_under_its_key_and_once_more_after_a_change);
	tcase_add_test(t, a_ticket_of_other_keys_does_not_open);
	tcase_add_test(t, every_ticket_has_an_iv_of_its_own);
	tcase_add_test(t, keys_live_until_their_last_user);
	suite_add_tcase(s, t);
	return s;
}
