/**
 * Who may do what: one line for each route of `/openapi.json`, and a line that is missing fails the test.
 *
 * A cell has a letter for each caller, in this order:
 *
 *     a nonymous, from an address that may read without a token
 *     r eader      \
 *     m ember       |
 *     au ditor      |  of the project `blue`
 *     ad min       /
 *     f oreigner: a member of the project `green`
 *
 *     .  passes: the status of the line      3  403: it may not      4  404: it may not know of it
 *
 * In a list, `4` is a list without it. The six cells of a route that is about an artifact (or a fetch of
 * one) are those of an artifact of `blue` and of one of `red`: private and active, public, and drafted.
 */
const TABLE = `
                                                        |         of blue         |         of red          |
        route                                     passes| private public  drafted | private public  drafted |
GET     /openapi.json                                200  ......
GET     /livez                                       200  ......
GET     /readyz                                      200  ......
GET     /schemas                                     200  ......
GET     /schemas/{type}                              200  ......

GET     /artifacts/{type}                            200  4....4  ......  4....4    444..4  ......  444..4
POST    /artifacts/{type}                            201  33.3..
GET     /artifacts/{type}/{id}                       200  4....4  ......  4....4    444..4  ......  444..4
PATCH   /artifacts/{type}/{id}                       200  43.3.4  33.3.3  43.3.4    4443.4  3333.3  4443.4
DELETE  /artifacts/{type}/{id}                       204  43.3.4  33.3.3  43.3.4    4443.4  3333.3  4443.4
GET     /artifacts/{type}/{id}/{field}               200  4..3.4  ...3..  4..3.4    4443.4  ...3..  4443.4
HEAD    /artifacts/{type}/{id}/{field}               200  4..3.4  ...3..  4..3.4    4443.4  ...3..  4443.4
PUT     /artifacts/{type}/{id}/{field}               200  43.3.4  33.3.3  43.3.4    4443.4  3333.3  4443.4
DELETE  /artifacts/{type}/{id}/{field}               200  43.3.4  33.3.3  43.3.4    4443.4  3333.3  4443.4
GET     /artifacts/{type}/{id}/{field}/{key}         200  4..3.4  ...3..  4..3.4    4443.4  ...3..  4443.4
HEAD    /artifacts/{type}/{id}/{field}/{key}         200  4..3.4  ...3..  4..3.4    4443.4  ...3..  4443.4
PUT     /artifacts/{type}/{id}/{field}/{key}         200  43.3.4  33.3.3  43.3.4    4443.4  3333.3  4443.4
DELETE  /artifacts/{type}/{id}/{field}/{key}         200  43.3.4  33.3.3  43.3.4    4443.4  3333.3  4443.4

GET     /v1/fills                                    200  33...4  33...4  33...4    334..4  334..4  334..4
POST    /v1/fills                                    201  33.3.4  33.3.3  33.3.4    3343.4  3333.3  3343.4
GET     /v1/fills/{id}                               200  33...4  33...4  33...4    334..4  334..4  334..4
DELETE  /v1/fills/{id}                               200  33.3.4  33.3.4  33.3.4    3343.4  3343.4  3343.4

GET     /v1/tokens                                   200  333..3
POST    /v1/tokens                                   201  3333.3
DELETE  /v1/tokens/{id}                              200  3333.3

GET     /v1/policies                                 200  333..3
PUT     /v1/policies                                 428  3333.3
POST    /v1/policies/explain                         200  33...4  33...3  33...4    334..4  333..3  334..4
GET     /v1/policies/versions                        200  333..3
GET     /v1/policies/versions/{version}              404  333..3
POST    /v1/policies/versions/{version}/restore      404  3333.3

GET     /v1/audit                                    200  333..3
GET     /v1/audit/export                             200  333..3

GET     /v1/capacity                                 200  333..3
PUT     /v1/capacity                                 428  3333.3

GET     /v1/contents                                 200  333..3
GET     /v1/contents/{sha256}                        404  333..3
DELETE  /v1/contents/{sha256}                        404  3333.3
PUT     /v1/contents/{sha256}/pin                    404  3333.3
DELETE  /v1/contents/{sha256}/pin                    404  3333.3
POST    /v1/contents/{sha256}/verify                 404  3333.3
GET     /v1/contents/{sha256}/block                  404  333..3
PUT     /v1/contents/{sha256}/block                  200  3333.3
DELETE  /v1/contents/{sha256}/block                  404  3333.3
GET     /v1/blocks                                   200  333..3

GET     /v1/purges                                   200  333..3
POST    /v1/purges                                   200  3333.3
GET     /v1/purges/{id}                              404  333..3
DELETE  /v1/purges/{id}                              404  3333.3
GET     /v1/scrubs                                   200  333..3
POST    /v1/scrubs                                   20x  3333.3
GET     /v1/scrubs/{id}                              404  333..3
DELETE  /v1/scrubs/{id}                              404  3333.3

GET     /quotas                                      200  333..3
PUT     /quotas                                      428  3333.3
GET     /project-quotas                              200  ......
GET     /project-quotas/{project}                    200  3....3
`;

export interface Line {
  /** `GET /artifacts/{type}`. */
  readonly route: string;
  /** The status of what passes; `20x`: any of these. */
  readonly passes: string;
  /** One, or one for each place. */
  readonly cells: readonly string[];
}

/** The lines of the table. */
export function lines(): readonly Line[] {
  return TABLE.split("\n").flatMap((text) => {
    const [method = "", path = "", passes = "", ...cells] = text.trim().split(/\s+/);
    return path.startsWith("/") ? [{ route: `${method} ${path}`, passes, cells }] : [];
  });
}
