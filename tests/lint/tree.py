"""The source tree as the lints see it: files by kind, and C without comments."""
import os
import re


class Skip(Exception):
    """Raised by a lint that cannot run here; its text says why."""


# Folders that hold sources. Anything else at the top may be a build.
TOPS = ["src", "modules", "tests", "scripts", "conf", "man", ".ci"]
C_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """Comments become spaces, literals stay as empty literals; lines are kept."""
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] + text[0]
    return re.sub(r"[^\n]", " ", text)


class Tree:
    def __init__(self, build):
        self.root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self.build = os.path.abspath(build)
        self.files = sorted(self._walk())
        self._text = {}

    def _walk(self):
        for top in TOPS:
            for folder, folders, names in os.walk(os.path.join(self.root, top)):
                folders[:] = [f for f in folders
                              if f not in (".deps", ".libs", "__pycache__", "corpus")]
                for name in names:
                    if not name.endswith((".o", ".a", ".log", ".trs", ".pyc", ".dirstamp")):
                        yield os.path.relpath(os.path.join(folder, name), self.root)

    def path(self, file):
        return os.path.join(self.root, file)

    def text(self, file):
        if file not in self._text:
            with open(self.path(file), encoding="utf-8", errors="replace") as stream:
                self._text[file] = stream.read()
        return self._text[file]

    def code(self, file):
        """The text of a C file without comments and literals."""
        return C_TOKEN.sub(blank, self.text(file))

    def has(self, file):
        return os.path.exists(self.path(file))

    def c_files(self, top, *endings):
        endings = endings or (".c", ".h")
        return [f for f in self.files if f.startswith(top + "/") and f.endswith(endings)]

    def matches(self, file, text, pattern):
        """Yields "FILE:LINE" and the match for each place where pattern stands in text."""
        for match in re.finditer(pattern, text):
            yield "%s:%d" % (file, text.count("\n", 0, match.start()) + 1), match
