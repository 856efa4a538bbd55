"""Which file system a file lies on."""

from pathlib import Path

ROOT = Path("/")
NETWORK = frozenset(
    "9p afs beegfs ceph cifs coda davfs fhgfs fuse.ceph fuse.glusterfs fuse.sshfs glusterfs gpfs lustre nfs nfs4 panfs "
    "pvfs2 smb3 smbfs virtiofs wekafs".split()
)


def network_file_system(file: Path) -> str:
    """The kind of the network file system that a file lies on or would lie on, such as "nfs4"; "" if it is none.

    Known on Linux only, from its table of mounts.
    """
    try:
        lines = (ROOT / "proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    whole, nearest, kind = file.resolve(), Path("/"), ""
    for line in lines:
        before, _, after = line.partition(" - ")
        place = Path(unescape(before.split()[4]))
        if whole.is_relative_to(place) and len(place.parts) >= len(
            nearest.parts
        ):  # of two at one place the later counts
            nearest, kind = place, after.split()[0]
    return kind if kind in NETWORK else ""


def unescape(text: str) -> str:
    """A place in the table of mounts, where a blank is written as its number."""
    for sign in " \t\n\\":
        text = text.replace(f"\\{ord(sign):03o}", sign)
    return text
