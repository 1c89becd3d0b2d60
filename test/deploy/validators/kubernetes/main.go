// Judges the Kubernetes manifests of a kustomization as an API server would that got them: built by kustomize, decoded
// strictly, defaulted and converted, then put through the create strategy of each kind, its warnings included, and
// every pod through the Pod Security Standard "restricted". Needs no cluster and no network. Files after the directory
// hold one more object each.
//
// Prints the built objects as JSON, one per line; complaints go to stderr and make it exit with 1.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/core/serviceaccount"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	podsecurity "k8s.io/pod-security-admission/api"
	podpolicy "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: kubernetes DIRECTORY-OF-KUSTOMIZATION [FILE...]")
		os.Exit(2)
	}
	documents, err := read(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	complaints := 0
	for _, document := range documents {
		for _, complaint := range judge(document) {
			fmt.Fprintln(os.Stderr, complaint)
			complaints++
		}
		if err := print(document); err != nil {
			fmt.Fprintln(os.Stderr, err)
			complaints++
		}
	}
	if complaints > 0 {
		os.Exit(1)
	}
}

func read(directory string, files []string) ([][]byte, error) {
	documents, err := build(directory)
	for _, file := range files {
		if err != nil {
			return nil, err
		}
		var document []byte
		document, err = os.ReadFile(file)
		documents = append(documents, document)
	}
	return documents, err
}

// build answers the objects in the order in which they would be applied.
func build(directory string) ([][]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return nil, err
	}
	documents := make([][]byte, 0, built.Size())
	for _, resource := range built.Resources() {
		document, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
	return documents, nil
}

func print(document []byte) error {
	object, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, object); err != nil {
		return err
	}
	fmt.Println(line.String())
	return nil
}

func judge(document []byte) []string {
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	versioned, kind, err := codecs.UniversalDeserializer().Decode(document, nil, nil)
	if err != nil {
		return []string{fmt.Sprintf("not decoded: %v\n%s", err, document)}
	}
	legacyscheme.Scheme.Default(versioned)
	internal, err := legacyscheme.Scheme.UnsafeConvertToVersion(versioned.DeepCopyObject(), runtime.InternalGroupVersioner)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", kind.Kind, err)}
	}
	strategy := strategyOf(internal)
	if strategy == nil {
		return []string{fmt.Sprintf("%s: this program knows no create strategy of the kind", kind.Kind)}
	}
	complaints := create(*kind, strategy, internal)
	if deployed, ok := versioned.(*appsv1.Deployment); ok {
		complaints = append(complaints, restricted(kind.Kind, &deployed.Spec.Template)...)
	}
	return complaints
}

// create does what the API server does with an object before it stores it.
func create(kind schema.GroupVersionKind, strategy rest.RESTCreateStrategy, object runtime.Object) []string {
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	ctx := genericrequest.WithNamespace(genericrequest.NewContext(), metav1.NamespaceDefault)
	ctx = genericrequest.WithRequestInfo(ctx, &genericrequest.RequestInfo{
		IsResourceRequest: true,
		Verb:              "create",
		APIGroup:          kind.Group,
		APIVersion:        kind.Version,
		Namespace:         metav1.NamespaceDefault,
		Resource:          resource.Resource,
	})
	var complaints []string
	if accessor, ok := object.(metav1.Object); ok {
		accessor.SetNamespace(metav1.NamespaceDefault)
		rest.FillObjectMetaSystemFields(accessor)
	}
	if err := rest.BeforeCreate(strategy, ctx, object); err != nil {
		complaints = append(complaints, fmt.Sprintf("%s: %v", kind.Kind, err))
	}
	for _, warning := range strategy.WarningsOnCreate(ctx, object) {
		complaints = append(complaints, fmt.Sprintf("%s: warning: %s", kind.Kind, warning))
	}
	return complaints
}

func strategyOf(object runtime.Object) rest.RESTCreateStrategy {
	switch object.(type) {
	case *apps.Deployment:
		return deployment.Strategy
	case *core.ConfigMap:
		return configmap.Strategy
	case *core.Secret:
		return secret.Strategy
	case *core.Service:
		return service.Strategy
	case *core.ServiceAccount:
		return serviceaccount.Strategy
	case *networking.NetworkPolicy:
		return networkpolicy.Strategy
	case *policy.PodDisruptionBudget:
		return poddisruptionbudget.Strategy
	}
	return nil
}

func restricted(kind string, template *corev1.PodTemplateSpec) []string {
	evaluator, err := podpolicy.NewEvaluator(podpolicy.DefaultChecks(), nil)
	if err != nil {
		return []string{err.Error()}
	}
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	var complaints []string
	for _, result := range evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
		if !result.Allowed {
			complaints = append(complaints, fmt.Sprintf("%s: not restricted: %s: %s", kind, result.ForbiddenReason, result.ForbiddenDetail))
		}
	}
	return complaints
}
