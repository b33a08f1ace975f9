"""Run me with: pytest --fastenv requirements.txt"""

import threading

import pytest
import requests
from freezegun import freeze_time
from itsdangerous import URLSafeSerializer
from notes import create_application
from werkzeug.serving import make_server


@pytest.fixture
def client():
    return create_application().test_client()


def test_a_note_is_kept(client):
    with freeze_time("2026-03-01 12:00"):
        answer = client.post("/notes", json={"text": "water the plants"})
    assert answer.status_code == 201
    assert answer.json == {"number": 1, "text": "water the plants", "written": "2026-03-01T12:00:00"}
    assert client.get("/notes").json == [answer.json]


def test_a_note_is_found_by_its_words(client):
    for text in ("buy bread", "buy milk", "call home"):
        client.post("/notes", json={"text": text})
    assert [note["text"] for note in client.get("/notes?q=buy").json] == ["buy bread", "buy milk"]


@pytest.mark.parametrize("body", [{}, {"text": "  "}, None])
def test_an_empty_note_is_refused(client, body):
    assert client.post("/notes", json=body).status_code == 400


def test_a_note_is_removed_once(client):
    client.post("/notes", json={"text": "short-lived"})
    assert client.delete("/notes/1").status_code == 204
    assert client.delete("/notes/1").status_code == 404


def test_over_the_wire():
    server = make_server("127.0.0.1", 0, create_application())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.port}/notes"
        assert requests.post(url, json={"text": "over the wire"}, timeout=5).status_code == 201
        assert [note["text"] for note in requests.get(url, timeout=5).json()] == ["over the wire"]
    finally:
        server.shutdown()
        thread.join()


def test_a_signed_link_leads_to_its_note(client):
    client.post("/notes", json={"text": "for your eyes only"})
    token = URLSafeSerializer("secret", salt="share").dumps(1)
    assert client.get(f"/shared/{token}").json["text"] == "for your eyes only"
    assert client.get(f"/shared/{token}x").status_code == 404
