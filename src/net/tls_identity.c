/*
 * Reading certificates, keys and OCSP responses; see tls_identity.h. Builder
 * thread, but for tls_identity_staple().
 */
#include "net/tls_identity.h"

#include "config/errors.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

enum { DAY_S = 86400, WARN_DAYS = 14, STAPLE_BYTES = 65536, NAME_BYTES = 255, DATE_BYTES = 32 };

/* --- saying what is wrong ----------------------------------------------------------- */

static const char *
file_of(const struct conf_list *list, const struct tls_reading *r)
{
	return list->at[r->place].at; /* a NUL follows */
}

/* What the library says was wrong; its queue is empty then. */
static const char *
take_reason(void)
{
	unsigned long error = ERR_peek_last_error();
	const char *text = error ? ERR_reason_error_string(error) : NULL;

	ERR_clear_error();
	return text ? text : "it cannot be read";
}

static void
refuse(const struct tls_reading *r, const char *key, const char *file, const char *why)
{
	conf_error_at(r->errors, r->wish->section, key, "%s: %s", file, why);
	ERR_clear_error();
}

/* An encrypted key would need somebody who types its word. */
static int
no_password(char *into, int size, int is_writing, void *argument)
{
	(void)into;
	(void)size;
	(void)is_writing;
	(void)argument;
	return -1;
}

int
tls_check_file(const struct tls_reading *r, const char *key, const char *file)
{
	struct stat st;

	if (stat(file, &st) != 0)
		refuse(r, key, file, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		refuse(r, key, file, "it is no regular file");
	else
		return 0;
	return ERR_SYNTAX;
}

static BIO *
open_file(const struct tls_reading *r, const char *key, const char *file)
{
	BIO *bio;

	if (tls_check_file(r, key, file) != 0)
		return NULL;
	ERR_clear_error();
	errno = 0;
	bio = BIO_new_file(file, "r");
	if (!bio)
		refuse(r, key, file, errno ? strerror(errno) : take_reason());
	return bio;
}

/* --- certificates -------------------------------------------------------------------- */

X509 *
tls_read_certificate(const struct tls_reading *r)
{
	const char *file = file_of(&r->wish->conf->certificate, r);
	BIO *bio = open_file(r, "certificate", file);
	X509 *x509 = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL) : NULL;

	if (bio && !x509)
		refuse(r, "certificate", file, "there is no certificate in PEM form in it");
	BIO_free(bio);
	return x509;
}

static void
write_date(const ASN1_TIME *time, char text[DATE_BYTES])
{
	struct tm tm;

	text[0] = '\0';
	if (ASN1_TIME_to_tm(time, &tm) == 1)
		strftime(text, DATE_BYTES, "%Y-%m-%d %H:%M UTC", &tm);
}

static void
check_dates(const struct tls_reading *r, const char *file, const X509 *x509)
{
	const ASN1_TIME *from = X509_get0_notBefore(x509), *until = X509_get0_notAfter(x509);
	char date[DATE_BYTES];
	int days = 0, seconds = 0;

	if (X509_cmp_current_time(from) > 0) {
		write_date(from, date);
		conf_warning_at(r->errors, r->wish->section, "certificate",
				"%s: it is not valid before %s", file, date);
	}
	write_date(until, date);
	if (ASN1_TIME_diff(&days, &seconds, NULL, until) != 1)
		return;
	if (days < 0 || seconds < 0)
		conf_warning_at(r->errors, r->wish->section, "certificate",
				"%s: it has expired: %s", file, date);
	else if (days < WARN_DAYS)
		conf_warning_at(r->errors, r->wish->section, "certificate",
				"%s: it expires in %d days: %s", file, days, date);
}

/* Lower case, in the arena; empty for what can be no name. */
static struct slice
copy_name(const struct tls_reading *r, const ASN1_STRING *text)
{
	struct slice s =
	    slice_make((const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
	char lower[NAME_BYTES];

	if (s.len == 0 || s.len > NAME_BYTES || memchr(s.at, '\0', s.len))
		return (struct slice){ 0 };
	for (size_t i = 0; i < s.len; i++)
		lower[i] = ascii_lower(s.at[i]);
	return arena_copy(r->arena, slice_make(lower, s.len));
}

static int
read_common_name(const struct tls_reading *r, const X509 *x509, struct slice *into, unsigned *count)
{
	const X509_NAME *subject = X509_get_subject_name(x509);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0)
		return 0;
	*into = copy_name(r, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	*count = into->len > 0;
	return into->at || into->len == 0 ? 0 : ERR_MEMORY;
}

int
tls_read_names(const struct tls_reading *r, X509 *x509, const struct slice **names, unsigned *count)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
	int n = all ? sk_GENERAL_NAME_num(all) : 0;
	struct slice *list = arena_zalloc(r->arena, (size_t)n + 1, sizeof(*list));
	int err = list ? 0 : ERR_MEMORY;

	*count = 0;
	*names = list;
	for (int i = 0; i < n && !err; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

		if (name->type != GEN_DNS)
			continue;
		list[*count] = copy_name(r, name->d.dNSName);
		*count += list[*count].len > 0;
	}
	if (!err && *count == 0)
		err = read_common_name(r, x509, list, count);
	GENERAL_NAMES_free(all);
	return err;
}

/* --- staples -------------------------------------------------------------------------- */

/* When it is old; 0: never. -1: it is no answer about this certificate. */
static time_t
judge_staple(OCSP_RESPONSE *response, const X509 *x509)
{
	OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
	ASN1_GENERALIZEDTIME *next = NULL;
	time_t until = -1;
	struct tm tm;

	for (int i = 0; basic && i < OCSP_resp_count(basic) && until < 0; i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		ASN1_INTEGER *serial = NULL;

		OCSP_id_get0_info(NULL, NULL, NULL, &serial,
				  (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single));
		if (!serial || ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(x509)) != 0)
			continue;
		OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
		until = next && ASN1_TIME_to_tm(next, &tm) == 1 ? timegm(&tm) : 0;
	}
	OCSP_BASICRESP_free(basic);
	return until;
}

static int
take_staple(const struct tls_reading *r, const char *file, struct tls_certificate *c,
	    const unsigned char *bytes, size_t len)
{
	const unsigned char *at = bytes;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)len);
	time_t until = -1;

	if (response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
		until = judge_staple(response, c->x509);
	OCSP_RESPONSE_free(response);
	if (until < 0) {
		refuse(r, "ocsp", file, "that is no OCSP response (DER) about the certificate");
		return ERR_SYNTAX;
	}
	if (until > 0 && until < time(NULL))
		conf_warning_at(r->errors, r->wish->section, "ocsp",
				"%s: it is out of date and will not be sent", file);
	c->staple_until = until;
	c->staple = arena_copy(r->arena, slice_make((const char *)bytes, len));
	return c->staple.at ? 0 : ERR_MEMORY;
}

static int
read_staple(const struct tls_reading *r, struct tls_certificate *c)
{
	const char *file = file_of(&r->wish->conf->ocsp, r);
	unsigned char *bytes = arena_alloc(r->arena, STAPLE_BYTES);
	BIO *bio = bytes ? open_file(r, "ocsp", file) : NULL;
	size_t len = 0, n;
	int err = ERR_SYNTAX;

	if (!bio)
		return bytes ? ERR_SYNTAX : ERR_MEMORY;
	while (len < STAPLE_BYTES && BIO_read_ex(bio, bytes + len, STAPLE_BYTES - len, &n) == 1)
		len += n;
	if (len == STAPLE_BYTES)
		refuse(r, "ocsp", file, "it is too large");
	else
		err = take_staple(r, file, c, bytes, len);
	BIO_free(bio);
	return err;
}

int
tls_identity_staple(SSL *ssl, void *argument)
{
	const struct tls_identity *i = argument;
	const X509 *used = SSL_get_certificate(ssl);
	unsigned char *copy;

	for (unsigned n = 0; n < i->certificate_count; n++) {
		const struct tls_certificate *c = &i->certificate[n];

		if (c->x509 != used || c->staple.len == 0 ||
		    (c->staple_until > 0 && c->staple_until < time(NULL)))
			continue;
		copy = OPENSSL_memdup(c->staple.at, c->staple.len);
		if (!copy)
			break;
		SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)c->staple.len);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* --- an identity ------------------------------------------------------------------------ */

/* A key that everybody on this machine can read is nobody's secret. */
static void
check_mode(const struct tls_reading *r, const char *file)
{
	struct stat st;

	if (stat(file, &st) == 0 && (st.st_mode & S_IROTH))
		conf_warning_at(r->errors, r->wish->section, "key",
				"%s: every user of this machine can read it", file);
}

static int
read_key(struct tls_identity *i, const struct tls_reading *r)
{
	const char *file = file_of(&r->wish->conf->key, r);
	BIO *bio = open_file(r, "key", file);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	int err = bio ? 0 : ERR_SYNTAX;

	if (bio && !key) {
		bool is_locked = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_BAD_PASSWORD_READ ||
				 ERR_GET_REASON(ERR_peek_error()) == PEM_R_BAD_PASSWORD_READ;

		err = ERR_SYNTAX;
		refuse(r, "key", file,
		       is_locked ? "it is encrypted; nobody is there to type its password"
				 : "there is no private key in PEM form in it");
	} else if (key && X509_check_private_key(SSL_CTX_get0_certificate(i->ssl), key) != 1) {
		err = ERR_SYNTAX;
		conf_error_at(r->errors, r->wish->section, "key",
			      "%s: it is not the key of the certificate %s", file,
			      file_of(&r->wish->conf->certificate, r));
	} else if (key && SSL_CTX_use_PrivateKey(i->ssl, key) != 1) {
		err = ERR_SYNTAX;
		refuse(r, "key", file, take_reason());
	} else if (key) {
		check_mode(r, file);
	}
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return err;
}

static bool
has_type(const struct tls_identity *i, int key_type)
{
	for (unsigned n = 0; n < i->certificate_count; n++) {
		if (i->certificate[n].key_type == key_type)
			return true;
	}
	return false;
}

/* The certificate that was just read into the SSL_CTX. */
static int
take_certificate(struct tls_identity *i, const struct tls_reading *r, const char *file)
{
	struct tls_certificate c = { .x509 = SSL_CTX_get0_certificate(i->ssl) };

	c.key_type = EVP_PKEY_get_base_id(X509_get0_pubkey(c.x509));
	check_dates(r, file, c.x509);
	if (read_key(i, r) != 0)
		return ERR_SYNTAX;
	if (r->wish->conf->ocsp.count > 0 && read_staple(r, &c) != 0)
		return ERR_SYNTAX;
	i->certificate[i->certificate_count++] = c;
	return 0;
}

int
tls_identity_add(struct tls_identity *i, const struct tls_reading *r)
{
	const char *file = file_of(&r->wish->conf->certificate, r);
	X509 *x509 = tls_read_certificate(r);
	int key_type;

	if (!x509)
		return ERR_SYNTAX;
	key_type = EVP_PKEY_get_base_id(X509_get0_pubkey(x509));
	X509_free(x509);
	if (has_type(i, key_type) || i->certificate_count == TLS_IDENTITY_CERTIFICATES) {
		refuse(r, "certificate", file,
		       "another one has the same names and the same kind of key");
		return ERR_SYNTAX;
	}
	if (SSL_CTX_use_certificate_chain_file(i->ssl, file) != 1) {
		refuse(r, "certificate", file, take_reason());
		return ERR_SYNTAX;
	}
	return take_certificate(i, r, file);
}
