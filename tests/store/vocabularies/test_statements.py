from beatssl.store.vocabularies.statements import statements


def test_statements_are_those_of_the_published_table():
    found = statements()
    assert len(found) == 71
    counts = {kind: sum(kind in one.kinds for one in found.values()) for kind in ("diagnostic", "form", "rhythm")}
    assert counts == {"diagnostic": 44, "form": 19, "rhythm": 12}
    assert found["AFIB"].name == "atrial fibrillation"
    assert found["IMI"].superclass == "MI"
    assert found["AFIB"].superclass == ""
