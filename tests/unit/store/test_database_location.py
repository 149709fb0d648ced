from pathlib import Path

from tasuki.store.database_location import detect_file_system, locate_database_folder

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local\\040disk xfs rw 0 0
s3fs /mnt/bucket fuse.s3fs rw 0 0
"""


def test_the_longest_mount_that_a_path_lies_in_decides():
    assert detect_file_system(Path("/var/x"), MOUNTS) == "ext4"
    assert detect_file_system(Path("/home/me"), MOUNTS) == "nfs4"
    assert detect_file_system(Path("/home/local disk/x"), MOUNTS) == "xfs"
    assert detect_file_system(Path("/homely"), MOUNTS) == "ext4"
    assert detect_file_system(Path("/x"), "") == "unknown"


def test_databases_stay_with_the_data_on_a_local_file_system():
    assert locate_database_folder(Path("/var/x"), MOUNTS) == Path("/var/x")


def test_databases_of_a_network_file_system_lie_in_a_cache_of_this_host_and_folder():
    one, two, bucket = (locate_database_folder(Path(path), MOUNTS) for path in ("/home/me", "/home/you", "/mnt/bucket"))
    assert len({one, two, bucket}) == 3
    assert not any(place.is_relative_to("/home/me") for place in (one, two, bucket))
