/*
 * See papers.h.
 */
#include "papers.h"

#include "server/keys.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VALID_S = 90 * 86400 };

void
papers_open(struct papers *p)
{
	*p = (struct papers){ 0 };
	snprintf(p->folder, sizeof(p->folder), "/tmp/forebay-papers-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p->folder));
}

void
papers_close(struct papers *p)
{
	const char *const words[] = { "/bin/rm", "-r", p->folder, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execv(words[0], (char *const *)(uintptr_t)words);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	conf_free(&p->conf);
}

static FILE *
make_file(const struct papers *p, const char *name, const char *ending)
{
	char path[PAPERS_PATH * 2];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s%s", p->folder, name, ending);
	unlink(path);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	return file;
}

static void
add_names(X509 *x509, const char *dns)
{
	char text[PAPERS_PATH];
	struct writer w = writer_over(text, sizeof(text));
	X509_EXTENSION *extension;

	for (const char *c = dns; *c; c++) {
		if (c == dns || c[-1] == ',')
			writer_text(&w, "DNS:");
		writer_char(&w, *c);
	}
	writer_char(&w, '\0');
	ck_assert(!w.is_full);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

void
papers_issue(struct papers *p, const char *name, const char *dns, const char *key_type)
{
	EVP_PKEY *key = strcmp(key_type, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	X509_NAME *subject = X509_get_subject_name(x509);
	FILE *file;

	ck_assert_ptr_nonnull(key);
	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), random());
	X509_gmtime_adj(X509_getm_notBefore(x509), -60);
	X509_gmtime_adj(X509_getm_notAfter(x509), VALID_S);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(x509, subject);
	X509_set_pubkey(x509, key);
	if (*dns)
		add_names(x509, dns);
	ck_assert_int_gt(X509_sign(x509, key, EVP_sha256()), 0);
	file = make_file(p, name, ".pem");
	ck_assert_int_eq(PEM_write_X509(file, x509), 1);
	fclose(file);
	file = make_file(p, name, ".key");
	ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fchmod(fileno(file), 0600);
	fclose(file);
	X509_free(x509);
	EVP_PKEY_free(key);
}

struct tls_context *
papers_context(struct papers *p, const char *lines, const struct tls_context *prior)
{
	char text[PAPERS_TEXT], name[PAPERS_PATH * 2];
	struct listen_conf listen = { 0 };
	const struct conf_table table = { listen_keys, &listen };
	struct conf_section *section;
	struct tls_context *made = NULL;
	struct writer said = writer_over(p->said, sizeof(p->said) - 1);

	conf_free(&p->conf);
	conf_errors_init(&p->errors);
	snprintf(text, sizeof(text), "[listen x]\naddress = 127.0.0.1:1\ntls = yes\n%s", lines);
	snprintf(name, sizeof(name), "%s/x.conf", p->folder);
	p->conf = conf_read(slice_of(text), name, &p->errors);
	section = conf_find(p->conf, SLICE("listen"), SLICE("x"));
	if (conf_fill(section, &table, 1, &p->errors) == 0 &&
	    tls_conf_check(&listen.tls, section, &p->errors) == 0) {
		const struct tls_wish wish = { .conf = &listen.tls,
					       .section = section,
					       .protocols = SLICE("\x08http/1.1") };
		made = tls_context_new(&wish, prior, &p->errors);
	}
	conf_errors_write(&p->errors, &said);
	p->said[said.len] = '\0';
	conf_errors_fini(&p->errors);
	return made;
}
