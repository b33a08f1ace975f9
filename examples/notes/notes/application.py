"""The web application: JSON in and out, and signed links to single notes."""

from flask import Flask, jsonify, request
from itsdangerous import BadSignature, URLSafeSerializer

from notes.storage import Storage


def create_application(database_url="sqlite://", secret="secret"):
    """Return the application; its notes live in the database, and the secret signs its links."""
    application = Flask("notes")
    storage = Storage(database_url)
    links = URLSafeSerializer(secret, salt="share")

    @application.get("/notes")
    def list_notes():
        return jsonify(storage.search(request.args.get("q", "")))

    @application.post("/notes")
    def add_note():
        text = (request.get_json(silent=True) or {}).get("text", "").strip()
        if not text:
            return jsonify(error="a note needs a text"), 400
        return jsonify(storage.add(text)), 201

    @application.delete("/notes/<int:number>")
    def remove_note(number):
        return ("", 204) if storage.remove(number) else (jsonify(error="no such note"), 404)

    @application.get("/shared/<token>")
    def shared_note(token):
        try:
            note = storage.find(links.loads(token))
        except BadSignature:
            note = None
        return jsonify(note) if note else (jsonify(error="no such note"), 404)

    return application
