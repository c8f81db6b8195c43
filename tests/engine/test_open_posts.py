from engine.posts import Ack, Post
from tests.engine.project import Project, ada, ben


def test_only_posts_that_somebody_owes_an_answer_to_are_open() -> None:
    project = Project()
    project.play([ada(Post(to_actor="ben", body="one")), ada(Post(to_actor="ben", body="two"))])
    assert len(project.state.posts) == 2
    project.play([ben(Ack(post_id=1))])
    assert len(project.state.posts) == 1
