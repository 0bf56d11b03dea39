"""Certificates for tests: an authority of their own, made with openssl(1).

    a = Authority(folder)
    a.issue("web", ["web.example", "*.web.example"])            # web.pem, web.key
    a.issue("web-ec", ["web.example", "*.web.example"], key="ec")
    a.issue("me", [], subject="/O=Tests/CN=me")                 # for a client
    a.staple("web")                                             # web.ocsp: an OCSP response
"""
import os
import subprocess

KEYS = {"rsa": ["-newkey", "rsa:2048"],
        "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "ed25519": ["-newkey", "ed25519"]}


class Authority:
    """A folder with ca.pem, and what it has issued."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.serial = 1000
        self.run("req", "-x509", *KEYS["ec"], "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
                 "-subj", "/CN=Tests of Forebay")

    def run(self, *words):
        """openssl(1), in the folder."""
        done = subprocess.run(["openssl", *words], cwd=self.folder, stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout.decode()

    def path(self, name):
        """Of a file in the folder."""
        return os.path.join(self.folder, name)

    def issue(self, name, hosts, key="rsa", days=30, subject=None):
        """NAME.pem and NAME.key; once more makes new ones."""
        self.serial += 1
        self.run("req", *KEYS[key], "-nodes", "-keyout", name + ".key", "-out", name + ".csr",
                 "-subj", subject or "/CN=" + name)
        with open(self.path(name + ".ext"), "w", encoding="ascii") as file:
            if hosts:
                file.write("subjectAltName=%s\n" % ",".join("DNS:" + host for host in hosts))
            file.write("basicConstraints=CA:FALSE\n")
        self.run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", str(days),
                 "-set_serial", str(self.serial), "-extfile", name + ".ext", "-out", name + ".pem")
        os.chmod(self.path(name + ".key"), 0o600)

    def staple(self, name, days=1):
        """NAME.ocsp: the authority says that NAME.pem is good."""
        index = self.path("index.txt")
        with open(index, "w", encoding="ascii") as file:
            file.write("V\t301231235959Z\t\t%04X\tunknown\t/CN=%s\n" % (self.serial, name))
        self.run("ocsp", "-issuer", "ca.pem", "-cert", name + ".pem", "-no_nonce", "-reqout", name + ".req")
        self.run("ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem",
                 "-reqin", name + ".req", "-respout", name + ".ocsp", "-ndays", str(days))
