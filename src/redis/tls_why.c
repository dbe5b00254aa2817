/* SPDX-License-Identifier: MIT */
/* OpenSSL says "certificate verify failed" of everything that may be wrong with a certificate, and
 * "wrong version number" of a server without TLS. */
#include "redis/tls_why.h"

#include "base/buf.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { MAX_NAMES = 8 };

/* ---- errors of the protocol */

static bool is_about_our_certificate(int reason)
{
	switch (reason) {
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
		return true;
	default:
		return false;
	}
}

static void explain_reason(int reason, const char *text, struct fault *f)
{
	if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
	    reason == SSL_R_HTTP_REQUEST)
		fault_set_lasting(f,
		    "the server answers without TLS: rediss:// needs its TLS port");
	else if (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
	         reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION)
		fault_set_lasting(f,
		    "the server and this daemon have no version of TLS in common (1.2 or "
		    "newer)");
	else if (reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED)
		fault_set_lasting(f, "the server asks for a client certificate (tls.cert_file)");
	else if (is_about_our_certificate(reason))
		fault_set_lasting(f,
		    "the server refuses the client certificate of tls.cert_file: %s", text);
	else
		fault_set(f, "TLS: %s", text);
}

void tls_why_error(unsigned long error, struct fault *ret_fault)
{
	const char *text = ERR_reason_error_string(error);

	if (ERR_GET_LIB(error) == ERR_LIB_SSL)
		explain_reason(ERR_GET_REASON(error), text ? text : "unknown error", ret_fault);
	else
		fault_set(ret_fault, "TLS: %s", text ? text : "unknown error");
}

/* ---- certificates */

static void append_printable(struct buf *to, const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_append_char(to, text[i] > ' ' && text[i] < 0x7f ? (char)text[i] : '?');
}

static void append_separator(struct buf *to)
{
	if (buf_len(to))
		buf_append_text(to, ", ");
}

static void append_name(struct buf *to, const GENERAL_NAME *name)
{
	char address[INET6_ADDRSTRLEN] = "";
	const ASN1_STRING *text = name->d.ia5;

	if (name->type == GEN_DNS) {
		append_separator(to);
		append_printable(to, ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
	} else if (name->type == GEN_IPADD &&
	           inet_ntop(ASN1_STRING_length(text) == 4 ? AF_INET : AF_INET6,
	               ASN1_STRING_get0_data(text), address, sizeof(address))) {
		append_separator(to);
		buf_append_text(to, address);
	}
}

/* A certificate without alternative names is for its common name. */
static void append_common_name(struct buf *to, X509 *certificate)
{
	char text[256];
	int len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
	    text, sizeof(text));

	if (len > 0)
		append_printable(to, (const unsigned char *)text, (size_t)len);
}

static void append_names(struct buf *to, X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int n = sk_GENERAL_NAME_num(names);

	for (int i = 0; i < n && i < MAX_NAMES; i++)
		append_name(to, sk_GENERAL_NAME_value(names, i));
	if (n > MAX_NAMES)
		buf_append_text(to, ", ...");
	GENERAL_NAMES_free(names);
	if (!buf_len(to))
		append_common_name(to, certificate);
	if (!buf_len(to))
		buf_append_text(to, "nobody");
}

static bool is_untrusted(int error)
{
	return error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
	       error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
	       error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
	       error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	       error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

void tls_why_certificate(X509_STORE_CTX *store, const char *name, struct fault *ret_fault)
{
	int error = X509_STORE_CTX_get_error(store);
	const char *text = X509_verify_cert_error_string(error);
	struct buf names = { 0 };
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	struct slice is_for;

	if (certificate)
		append_names(&names, certificate);
	is_for = buf_slice(&names);
	if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH)
		fault_set_lasting(ret_fault,
		    "the server's certificate is for %.*s, not for %s (tls.server_name sets the "
		    "name to expect)",
		    (int)is_for.len, is_for.data, name);
	else
		fault_set_lasting(ret_fault, "the server's certificate is %s: %s (that of %.*s)%s",
		    is_untrusted(error) ? "not trusted" : "refused", text, (int)is_for.len,
		    is_for.data,
		    is_untrusted(error)
		        ? "; tls.ca_file or tls.ca_dir holds the authorities to trust"
		        : "");
	buf_done(&names);
}
