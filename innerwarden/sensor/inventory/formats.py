# SPDX-License-Identifier: Apache-2.0
"""What a file's name promises of its content, as tables.

Sources of the signatures: the formats' own specifications, by way of file(1)'s magic and the PRONOM registry of
the British National Archives. Sources of the extensions that ransomware gives: public reports of CISA (the
#StopRansomware series), ID Ransomware's list of extensions, and vendors' descriptions of single families.
"""

from __future__ import annotations

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
_JPEG = (b"\xff\xd8\xff",)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MATROSKA = (b"\x1a\x45\xdf\xa3",)

#: Extension -> what the file begins with.
BEGINS: dict[str, tuple[bytes, ...]] = {
    **dict.fromkeys(("docx", "xlsx", "pptx", "odt", "ods", "odp", "jar", "apk", "epub", "zip", "vsdx"), _ZIP),
    **dict.fromkeys(("doc", "xls", "ppt", "msg"), (*_OLE, *_ZIP, b"{\\rtf")),
    "pdf": (b"%PDF", b"\xef\xbb\xbf%PDF", b"%!PS"),
    "rtf": (b"{\\rtf",),
    "png": (b"\x89PNG", b"\x8aMNG"),
    **dict.fromkeys(("jpg", "jpeg"), _JPEG),
    "gif": (b"GIF8",),
    "bmp": (b"BM",),
    **dict.fromkeys(("tif", "tiff", "nef", "cr2", "arw", "dng"), _TIFF),
    "psd": (b"8BPS",),
    "webp": (b"RIFF",),
    "wav": (b"RIFF", b"RF64"),
    "avi": (b"RIFF",),
    "flac": (b"fLaC", b"ID3"),
    "ogg": (b"OggS",),
    **dict.fromkeys(("mkv", "webm"), _MATROSKA),
    "gz": (b"\x1f\x8b",),
    "bz2": (b"BZh",),
    "xz": (b"\xfd7zXZ\0",),
    "zst": (b"\x28\xb5\x2f\xfd", *(bytes([n]) + b"\x2a\x4d\x18" for n in range(0x50, 0x60))),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    "rar": (b"Rar!",),
    **dict.fromkeys(("sqlite", "sqlite3"), (b"SQLite format 3\0",)),
    "vmdk": (b"KDMV", b"COWD", b"# Disk"),
    "vhdx": (b"vhdxfile",),
    "qcow2": (b"QFI\xfb",),
    "dwg": (b"AC10",),
    "pst": (b"!BDN",),
}
#: Extensions of files that people read.
TEXT = frozenset(
    {
        *("txt", "csv", "md", "rst", "json", "xml", "html", "htm", "svg", "tex", "srt", "ics", "vcf", "eml"),
        *(
            "py",
            "c",
            "h",
            "cpp",
            "hpp",
            "cc",
            "js",
            "ts",
            "java",
            "php",
            "sh",
            "sql",
            "css",
            "rb",
            "go",
            "rs",
        ),
        *("pl", "cs", "kt", "lua", "yml", "yaml", "ini", "conf", "cfg", "toml", "env", "pem", "crt"),
    }
)
#: Beginnings of files whose content looks random and is meant to: packed, pictures, sound, and kin.
PACKED: tuple[bytes, ...] = tuple(
    dict.fromkeys(
        [
            *(begin for begins in BEGINS.values() for begin in begins),
            *(
                b"\x04\x22\x4d\x18",
                b"\x89LZO",
                b"LZIP",
                b"\x5d\0\0",
                b"\x1f\x9d",
                b"ID3",
                b"\x7fELF",
                b"MSCF",
            ),
            *(b"wOFF", b"wOF2", b"\xca\xfe\xba\xbe", b"\0asm", b"!<arch>", b"PAR1", b"\x89HDF", b"Obj\x01"),
            *(b"BORG_SEG", b"hsqs", b"sqsh", b"mozLz4", b"\0\0\1\0", b"ORC", b"glTF", b"OTTO", b"\0\1\0\0"),
        ]
    )
)
#: What tools for keeping secrets begin their files with: encryption that says so.
SEALED = (b"Salted__", b"age-encryption.org/", b"LUKS\xba\xbe", b"\0GITCRYPT\0", b"\x03\xd9\xa2\x9a")

#: Last extensions that programs add without meaning harm: temporary, kept and sealed copies.
PASSING = frozenset(
    {
        *(
            "tmp",
            "temp",
            "part",
            "partial",
            "crdownload",
            "download",
            "swp",
            "swo",
            "swx",
            "bak",
            "old",
            "orig",
        ),
        *(
            "save",
            "new",
            "lock",
            "gpg",
            "pgp",
            "asc",
            "age",
            "sig",
            "minisig",
            "kdbx",
            "sops",
            "ccrypt",
            "cpt",
        ),
        *(
            "lz4",
            "lzo",
            "lz",
            "lzma",
            "br",
            "z",
            "tgz",
            "tbz2",
            "txz",
            "rdiff",
            "difftar",
            "manifest",
            "torrent",
        ),
        *(
            "dpkg-new",
            "dpkg-tmp",
            "dpkg-old",
            "dpkg-dist",
            "rpmnew",
            "rpmsave",
            "ucf-new",
            "filepart",
            "unconfirmed",
        ),
    }
)
#: Last extensions that families of ransomware give.
RANSOM = frozenset(
    {
        *("encrypted", "locked", "crypt", "ransom", "crypto", "locky", "cerber", "zepto", "thor", "crypted"),
        *(
            "cryptolocker",
            "encrypt",
            "encrypted_files",
            "enc_robbinhood",
            "lockbit",
            "abcd",
            "wncry",
            "wnry",
            "wcry",
        ),
        *(
            "onion",
            "ryk",
            "conti",
            "babyk",
            "babuk",
            "cuba",
            "akira",
            "play",
            "djvu",
            "medusa",
            "royal",
            "royal_w",
        ),
        *(
            "basta",
            "hive",
            "rhysida",
            "cactus",
            "cts0",
            "cts1",
            "esxiargs",
            "8base",
            "phobos",
            "eking",
            "dharma",
        ),
        *(
            "makop",
            "deadbolt",
            "muhstik",
            "erebus",
            "ecrypt",
            "blacksuit",
            "darkside",
            "revil",
            "sodinokibi",
            "avos2",
        ),
        *(
            "avoslinux",
            "helldown",
            "interlock",
            "qilin",
            "ransomhub",
            "monti",
            "puuuk",
            "nokoyawa",
            "snatch",
            "lilocked",
        ),
        *(
            "rontok",
            "0xxx",
            "r5a",
            "kraken",
            "vice",
            "v-society",
            "quantum",
            "blackbyte",
            "mallox",
            "trigona",
            "inc",
        ),
    }
)

#: Extensions of pages that a web server executes, and directories below which it looks for pages. Sources: the default
#: configurations of Apache (mod_php, suexec), nginx, PHP-FPM, Tomcat and the usual hosting panels.
WEB_SCRIPTS = (
    *(
        ".php",
        ".php3",
        ".php4",
        ".php5",
        ".php7",
        ".php8",
        ".phtml",
        ".pht",
        ".phar",
        ".jsp",
        ".jspx",
        ".jspf",
    ),
    *(".asp", ".aspx", ".ashx", ".cgi", ".cfm"),
)
WEB_DIRECTORIES = frozenset(
    {"www", "html", "htdocs", "httpdocs", "public_html", "webapps", "wwwroot", "webroot", "cgi-bin"}
)
