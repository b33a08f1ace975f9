"""The web application: three addresses, JSON in and out."""

from flask import Flask, jsonify, request

from notes.storage import Storage


def create_application(database_url="sqlite://"):
    """Return the application; its notes live in the database."""
    application = Flask("notes")
    storage = Storage(database_url)

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

    return application
