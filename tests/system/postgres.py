"""A PostgreSQL server of the tests' own: private data, socket and port, ended by its process id.

It refuses to run as root, so that root starts it as the user that its package has made.
"""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from bed import free_port, wait_until

PASSWORD = "s3cr3t of the tests"
USER = "shop"


def programs():
    """Where initdb and postgres are; Debian keeps them out of the way."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    initdb = shutil.which("initdb")
    assert found or initdb, "there is no PostgreSQL server (package postgresql)"
    return found[-1] if found else os.path.dirname(initdb)


class Server:
    """One server. On its socket everybody is trusted; on the loopback USER needs PASSWORD."""

    def __init__(self, max_connections=60):
        self.bin = programs()
        self.owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.folder = tempfile.mkdtemp(prefix="forebay-pg-")
        self.data = os.path.join(self.folder, "data")
        self.port = free_port()
        self.process = None
        self.max_connections = max_connections
        if self.owner:
            os.chown(self.folder, self.owner.pw_uid, self.owner.pw_gid)
        os.chmod(self.folder, 0o755)
        self.run("initdb", "-D", self.data, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
                 "-U", "postgres")
        self.write("pg_hba.conf", "local all all trust\nhost all postgres 127.0.0.1/32 trust\n"
                   "host all all 127.0.0.1/32 scram-sha-256\n")
        self.make_certificate()
        self.start()
        self.sql("CREATE ROLE %s LOGIN PASSWORD '%s'" % (USER, PASSWORD))
        self.sql("CREATE DATABASE shop OWNER %s" % USER)

    def become(self):
        if self.owner:
            os.setgroups([])
            os.setgid(self.owner.pw_gid)
            os.setuid(self.owner.pw_uid)
        os.chdir("/")

    def run(self, program, *arguments):
        done = subprocess.run([os.path.join(self.bin, program), *arguments], preexec_fn=self.become,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        assert done.returncode == 0, done.stdout.decode("utf-8", "replace")

    def write(self, name, text):
        with open(os.path.join(self.data, name), "w", encoding="utf-8") as file:
            file.write(text)

    def make_certificate(self):
        key, certificate = (os.path.join(self.data, name) for name in ("server.key", "server.crt"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", certificate],
                       stderr=subprocess.DEVNULL, check=True)
        os.chmod(key, 0o600)
        for path in (key, certificate):
            if self.owner:
                os.chown(path, self.owner.pw_uid, self.owner.pw_gid)
        self.certificate = os.path.join(self.folder, "ca.crt")
        shutil.copy(certificate, self.certificate)
        os.chmod(self.certificate, 0o644)

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.bin, "postgres"), "-D", self.data, "-k", self.folder, "-p", str(self.port),
                 "-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=%d" % self.max_connections,
                 "-c", "ssl=on", "-c", "shared_buffers=16MB", "-c", "max_wal_size=64MB"],
                preexec_fn=self.become, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, what="PostgreSQL")

    def answers(self):
        assert self.process.poll() is None, self.said()
        return self.psql("SELECT 1", "postgres").returncode == 0

    def said(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def psql(self, sql, database="shop"):
        return subprocess.run([os.path.join(self.bin, "psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1",
                               "-h", self.folder, "-p", str(self.port), "-U", "postgres", database],
                              input=sql.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

    def sql(self, sql, database=None):
        """Runs SQL as the superuser; what it prints, one row a line, columns with | between."""
        done = self.psql(sql, database or ("postgres" if sql.startswith("CREATE") else "shop"))
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout.decode("utf-8").strip()

    def connections(self, more=""):
        """How many connections forebayd has now."""
        return int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'forebay' " + more))

    @property
    def socket_url(self):
        return "postgresql:///shop?host=%s&port=%d&user=%s" % (self.folder, self.port, USER)

    @property
    def tcp_url(self):
        return "postgresql://%s@127.0.0.1:%d/shop" % (USER, self.port)

    def end(self):
        """At once: connections are cut."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
        self.process = None

    def restart(self):
        self.end()
        self.start()

    def close(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)
