# SPDX-License-Identifier: MIT
"""Certificates for tests, made by the openssl command, and what a server does with them.

    made = certificates.shared()            # once for each process, removed at its end
    made.ca                                 # the authority's certificate: a path, as those below are
    made.server.cert, made.server.key       # for DNS:localhost and IP:127.0.0.1
    made.wrong_name, made.expired, made.self_signed, made.client    # further pairs of cert and key
    made.stranger, made.other_ca            # a client certificate of another authority, and its CA
    made.ca_dir                             # a folder of authorities, named by hash

    redis = servers.Redis(directory, tls=certificates.Tls(clients="yes"))
    redis.tls_url                           # rediss://localhost:PORT
    redis.present(made.expired)             # from now on the server shows this certificate
"""

import atexit
import collections
import functools
import os
import shutil
import ssl
import subprocess
import tempfile

Pair = collections.namedtuple("Pair", "cert key")

LOCAL = "DNS:localhost,IP:127.0.0.1"
LONG_AGO = ("20200101000000Z", "20200102000000Z")
NOW_ON = ("20200101000000Z", "20491231000000Z")

# With `openssl ca` the dates can be given: `openssl x509` can not date a certificate back.
AUTHORITY = """\
[ca]
default_ca = here
[here]
database = {folder}/index
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


def openssl(*args):
    done = subprocess.run(["openssl", *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise AssertionError("openssl %s: %s" % (" ".join(args), done.stderr))


class Authority:
    def __init__(self, folder):
        os.mkdir(folder)
        self.folder = folder
        self.pair = self.self_signed("ca")
        with open(self.path("ca.conf"), "w", encoding="ascii") as f:
            f.write(AUTHORITY.format(folder=folder))
        with open(self.path("index"), "w", encoding="ascii"):
            pass

    def path(self, name):
        return os.path.join(self.folder, name)

    def _request(self, name, *args):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.path(name + ".key"), "-subj", "/CN=" + name, *args)

    def self_signed(self, name, names=None):
        self._request(name, "-x509", "-days", "3650", "-out", self.path(name + ".crt"),
                      *(["-addext", "subjectAltName=" + names] if names else []))
        return Pair(self.path(name + ".crt"), self.path(name + ".key"))

    def issue(self, name, names, dates=NOW_ON):
        self._request(name, "-out", self.path(name + ".csr"), "-addext", "subjectAltName=" + names)
        openssl("ca", "-batch", "-notext", "-create_serial", "-config", self.path("ca.conf"),
                "-cert", self.pair.cert, "-keyfile", self.pair.key, "-in", self.path(name + ".csr"),
                "-out", self.path(name + ".crt"), "-startdate", dates[0], "-enddate", dates[1])
        return Pair(self.path(name + ".crt"), self.path(name + ".key"))


class Certificates:
    def __init__(self, directory):
        ours = Authority(os.path.join(directory, "ours"))
        other = Authority(os.path.join(directory, "other"))
        self.ca, self.other_ca = ours.pair.cert, other.pair.cert
        self.server = ours.issue("server", LOCAL)
        self.wrong_name = ours.issue("wrong-name", "DNS:wrong.example")
        self.expired = ours.issue("expired", LOCAL, LONG_AGO)
        self.self_signed = ours.self_signed("self-signed", LOCAL)
        self.client = ours.issue("client", "DNS:client")
        self.stranger = other.issue("client", "DNS:client")
        self.ca_dir = os.path.join(directory, "ca-dir")
        os.mkdir(self.ca_dir)
        shutil.copy(self.ca, self.ca_dir)
        openssl("rehash", self.ca_dir)


@functools.lru_cache(maxsize=None)
def shared():
    directory = tempfile.mkdtemp(prefix="sluiced-certificates-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Certificates(directory)


class Tls:
    """A server's TLS; clients: whether it asks for their certificates ("no", "optional", "yes")."""

    def __init__(self, pair=None, clients="no"):
        self.made = shared()
        self.pair = pair or self.made.server
        self.clients = clients

    def settings(self, port):
        """For a redis.conf: (name, value) pairs."""
        return [("tls-port", str(port)), ("tls-cert-file", self.pair.cert),
                ("tls-key-file", self.pair.key), ("tls-ca-cert-file", self.made.ca),
                ("tls-auth-clients", self.clients),
                # As the client of another server, a replica or a node shows this one.
                ("tls-client-cert-file", self.made.client.cert),
                ("tls-client-key-file", self.made.client.key)]

    def context(self):
        """For a client of the tests: it looks at nothing, and shows the client certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(*self.made.client)
        return context
