from fastapi.testclient import TestClient


def write(client: TestClient, **note: object) -> dict[str, object]:
    answer = client.post("/notes", json=note)
    assert answer.status_code == 201
    return answer.json()


def test_a_note_is_kept(client: TestClient) -> None:
    note = write(client, title="Milk", body="two litres", tags=["shop", "home", "shop"])

    assert client.get(f"/notes/{note['id']}").json() == note
    assert note["tags"] == ["home", "shop"]
    assert note["pinned"] is False


def test_the_newest_note_comes_first(client: TestClient) -> None:
    for title in ("alpha", "beta", "gamma"):
        write(client, title=title)

    titles = [note["title"] for note in client.get("/notes").json()]

    assert titles == ["gamma", "beta", "alpha"]


def test_a_deleted_note_is_gone(client: TestClient) -> None:
    note = write(client, title="Milk", tags=["shop"])

    assert client.delete(f"/notes/{note['id']}").status_code == 204
    assert client.get(f"/notes/{note['id']}").status_code == 404


def test_a_note_needs_a_title(client: TestClient) -> None:
    assert client.post("/notes", json={"title": ""}).status_code == 422
