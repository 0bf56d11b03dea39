"""src/LAYERS says which folder may include which, and who may use which library."""
import re

INCLUDE = r'(?m)^[ \t]*#[ \t]*include[ \t]*([<"][^>"\n]+)[>"]'


def read_layers(tree):
    """({folder: [folders]}, {prefix of a system include: [folders or files]})."""
    folders, libraries = {}, {}
    for line in tree.text("src/LAYERS").splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0].startswith("<"):
            libraries[words[0]] = words[1:]
        else:
            folders[words[0].rstrip(":")] = words[1:]
    return folders, libraries


def each_include(tree):
    """(where, file, folder, included) for each include in src/; included keeps its < or "."""
    for file in tree.c_files("src", ".c", ".h", ".def"):
        folder = file.split("/")[1]
        for where, match in tree.matches(file, tree.text(file), INCLUDE):
            yield where, file, folder, match.group(1)


def includes(tree):
    """A folder includes only headers of the folders that src/LAYERS allows."""
    folders, _ = read_layers(tree)
    for where, file, folder, included in each_include(tree):
        if not included.startswith('"') or included == '"config.h"' or included == '"config.h':
            continue  # configure's own header belongs to no layer
        target = included[1:].split("/")[0] if "/" in included else folder
        if folder not in folders and file.count("/") > 1:
            yield "%s: src/LAYERS has no line for %s/" % (where, folder)
        elif file.count("/") > 1 and "/" not in included:
            yield '%s: write the folder too: #include "%s/%s"' % (where, folder, included[1:])
        elif target != folder and target not in folders.get(folder, []) and file.count("/") > 1:
            yield ('%s: %s/ may not include %s" (src/LAYERS); move the type down or pass in a '
                   "function pointer" % (where, folder, included))


def libraries(tree):
    """A library's headers are included only where src/LAYERS says."""
    _, allowed = read_layers(tree)
    for where, file, folder, included in each_include(tree):
        for prefix, users in allowed.items():
            if included.startswith(prefix) and folder not in users and file[4:] not in users:
                yield "%s: %s> belongs to %s only (src/LAYERS)" % (where, included,
                                                                  ", ".join(users))


def private_headers(tree):
    """A header named *_priv.h is included from its own folder alone."""
    for where, _, folder, included in each_include(tree):
        if re.search(r"_priv\.h$", included) and included[1:].split("/")[0] != folder:
            yield '%s: %s" is private to its folder' % (where, included)
