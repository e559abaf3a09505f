"""Texts that stand in for a secret until somebody puts the real one there.

Nothing here raises: crash reporters keep the locals of a frame that an error leaves, and here one
of them is the text.
"""

__all__ = ["is_placeholder"]

_PLACEHOLDERS_BEGIN = (
    *("changeme", "replaceme", "replacewith", "replacethis", "insertyour", "enteryour"),
    *("pasteyour", "putyour", "yoursecret", "yourwebhook", "yoursigning"),
)
_TEXT = (
    # What stands for nothing.
    "none null nil nan undefined unset unknown missing empty false true default na void tbd todo "
    "fixme placeholder redacted hidden masked removed "
    # What somebody is told to do.
    "and at be before by dont do for forget from here i in it me my new not of on only own "
    "please set some that the then this to use with your yours value add changed changeit changeme "
    "changethis change copy defined define edit enter fill filled generate generated insert paste "
    "provide put replace replaced replaceme replacethis update setme notset fillme "
    # What it is called.
    "api coffrify endpoint key keys passphrase password passwd pass secret secrets shared signing "
    "string text token webhook webhooks whsec yoursecret webhooksecret mysecret supersecret "
    "topsecret fakesecret very super top "
    # What it is good for.
    "dev development dummy example examples fake foo bar baz foobar insecure local localhost prod "
    "production sample staging "
    # German
    "aendern andern bitte dein deinen geheim geheimnis geheimer hier einfugen eintragen einsetzen "
    "einfuegen ersetzen ersetze mich ihr passwort schlussel schluessel "
    # French
    "changer changez modifier remplacer remplacez moi mot mots passe secrete votre ton ici cle de "
    # Spanish and Portuguese
    "cambiar cambiame cambie cambia clave contrasena reemplazar reemplazame secreto tu su aqui "
    "esto por favor alterar altere mudar mude senha seu sua chave segredo substituir "
    # Italian
    "cambiami cambiare sostituire sostituiscimi tuo tua chiave segreto qui inserire "
    # Dutch
    "geheime vervang wijzig wijzigen mij jouw sleutel wachtwoord uw "
    # Polish and Swedish
    "zmien mnie haslo tajny klucz twoj byt ut mig hemlig hemlighet nyckel losenord din"
)
_WORDS = frozenset(_TEXT.split())
"""Without accents. A text of these alone stands for a secret: no key is made of such words."""
_FOREIGN = (
    *("секрет", "парол", "ключ", "замени", "измени", "вставь"),  # Russian
    # Chinese
    *("密钥", "密码", "秘密", "替换", "更换", "修改", "请输入", "你的", "您的"),
    *("変更", "置き換", "シークレット", "パスワード", "入力して", "비밀", "변경", "암호"),
)
"""Likewise, in scripts in which no key is written."""


def is_placeholder(rest: str, *, whole: bool) -> bool:
    """Tell whether a text stands for a secret; whole: it has no prefix `whsec_`."""
    if not whole and any(mark in rest for mark in ("...", "\u2026", "*", "\u2022", "<")):
        return True  # or one that was shown in part
    if rest.startswith(("${", "$(", "{{", "#{", "<%")) or (rest[0], rest[-1]) in {
        ("<", ">"),
        ("%", "%"),
    }:
        return True
    if rest[0] == "$" and rest[1:].isidentifier():  # a variable that nobody put in
        return True
    folded = _fold(rest)
    letters = "".join(filter(str.isalnum, folded.lower()))
    if not letters or not letters.strip(letters[0]):  # dashes, or one character again and again
        return True
    if any(part in rest.lower() for part in _FOREIGN) or letters.startswith(_PLACEHOLDERS_BEGIN):
        return True
    return letters in _WORDS or _WORDS.issuperset(_words_of(folded))


def _fold(text: str) -> str:
    """Return a text with the letters of other widths, and those with accents, made plain."""
    if text.isascii():
        return text
    from unicodedata import combining, normalize  # rare, and no key's

    return "".join(each for each in normalize("NFKD", text) if not combining(each))


def _words_of(text: str) -> "set[str]":
    """Return the words of a text: `changeMe`, `CHANGE_ME` and `change-me` have the same two."""
    parted, before = "", ""
    for each in text:
        parted += f" {each}" if before.islower() and each.isupper() else each
        before = each
    found = "".join(each if each.isalnum() else " " for each in parted).lower().split()
    return set(found)
